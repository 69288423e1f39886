using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearKl
{
    /// <summary>Loss and both gradients, with one head for student and teacher.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target) =>
    [
        HeadBench.Case(target, "linear-kl", 8, inputs =>
        {
            Elements teacher = inputs.OtherHidden(), gradHidden = inputs.GradHidden(), gradHead = inputs.GradHead();
            float* loss = inputs.PerToken();
            return () => Run(
                target.Device, inputs.Hidden, inputs.Head, teacher, inputs.Head, inputs.Weights, 1f, loss, gradHidden, false, gradHead,
                inputs.Tokens, inputs.Width, inputs.Width, inputs.Vocabulary, 1e-3f);
        }),
    ];
}
