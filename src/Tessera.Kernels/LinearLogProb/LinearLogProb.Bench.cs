using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearLogProb
{
    /// <summary>Log-probabilities and entropies.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target) =>
    [
        HeadBench.Case(target, "linear-log-prob", 2, inputs =>
        {
            float* logProb = inputs.PerToken(), entropy = inputs.PerToken();
            return () => Run(
                target.Device, inputs.Hidden, inputs.Head, inputs.Targets, inputs.Weights, 1f, logProb, entropy, inputs.Tokens, inputs.Width,
                inputs.Vocabulary);
        }),
    ];
}
