using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearPolicy
{
    /// <summary>Loss and both gradients.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target) =>
    [
        HeadBench.Case(target, "linear-policy", 6, inputs =>
        {
            Elements gradHidden = inputs.GradHidden(), gradHead = inputs.GradHead();
            var settings = new PolicySettings { KlWeight = 0.001f };
            var tokens = new PolicyTokens
            {
                Targets = inputs.Targets,
                Weights = inputs.Weights,
                Advantages = inputs.Filled(4),
                ReferenceLogProb = inputs.Filled(5),
            };
            var results = new PolicyResults { Loss = inputs.PerToken(), LogProb = inputs.PerToken(), Entropy = inputs.PerToken() };
            return () => Run(
                target.Device, inputs.Hidden, inputs.Head, tokens, settings, results, gradHidden, gradHead, inputs.Tokens, inputs.Width,
                inputs.Vocabulary, 1e-3f);
        }),
    ];
}
