using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearCrossEntropy
{
    /// <summary>Loss and both gradients.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target) =>
    [
        HeadBench.Case(target, "linear-cross-entropy", 6, inputs =>
        {
            Elements gradHidden = inputs.GradHidden(), gradHead = inputs.GradHead();
            float* loss = inputs.PerToken();
            return () => Run(
                target.Device, inputs.Hidden, inputs.Head, inputs.Targets, inputs.Weights, loss, gradHidden, gradHead, inputs.Tokens,
                inputs.Width, inputs.Vocabulary, 1e-3f);
        }),
    ];
}
