namespace Tessera.Kernels;

public static unsafe partial class LinearPolicy
{
    /// <summary>Inputs and outputs of a token in double; NaN for a reference that is not there.</summary>
    /// <param name="Target">The sampled token.</param>
    /// <param name="Weight">Weight of its loss.</param>
    /// <param name="Advantage">A.</param>
    /// <param name="Old">logπ_old.</param>
    /// <param name="Reference">logπ_ref, or NaN.</param>
    /// <param name="Correction">ρ.</param>
    public readonly record struct ReferenceToken(
        int Target, double Weight, double Advantage, double Old, double Reference, double Correction);

    /// <summary>
    /// The formula of <see cref="Run"/> in double; <paramref name="gradHidden"/> is assigned, <paramref name="gradHead"/> accumulated.
    /// </summary>
    public static void ReferenceRun(
        ReadOnlySpan<double> hidden, ReadOnlySpan<double> head, ReadOnlySpan<ReferenceToken> tokens, PolicySettings settings,
        Span<double> loss, Span<double> gradHidden, Span<double> gradHead, int width, int vocabulary, double gradientScale)
    {
        double[] logProb = new double[tokens.Length], entropy = new double[tokens.Length];
        LinearLogProb.ReferenceRun(
            hidden, head, [.. tokens.ToArray().Select(token => token.Target)], [.. tokens.ToArray().Select(token => token.Weight)],
            settings.Temperature, logProb, entropy, width, vocabulary);
        var logits = new double[vocabulary];
        for (int t = 0; t < tokens.Length; t++)
        {
            loss[t] = 0;
            var gradient = gradHidden.Slice(t * width, width);
            gradient.Clear();
            if (tokens[t].Weight == 0)
            {
                continue;
            }

            (loss[t], double slope) = ReferenceTerms(tokens[t], logProb[t], settings);
            LinearCrossEntropy.ReferenceLogits(hidden.Slice(t * width, width), head, logits);
            double logSum = LinearCrossEntropy.ReferenceLogSum([.. logits.Select(logit => logit / settings.Temperature)]);
            for (int v = 0; v < vocabulary; v++)
            {
                double probability = Math.Exp((logits[v] / settings.Temperature) - logSum);
                double g = gradientScale * tokens[t].Weight * slope * ((v == tokens[t].Target ? 1.0 : 0.0) - probability)
                    / settings.Temperature;
                for (int i = 0; i < width; i++)
                {
                    gradient[i] += g * head[(v * width) + i];
                    gradHead[(v * width) + i] += g * hidden[(t * width) + i];
                }
            }
        }
    }

    /// <summary>Loss and dloss/dlogπ as the formula has them: minimum, maximum and bounds taken as such.</summary>
    private static (double Loss, double Slope) ReferenceTerms(in ReferenceToken token, double logProb, PolicySettings settings)
    {
        double ratio = Math.Exp(logProb - token.Old), plain = ratio * token.Advantage;
        double objective = Math.Min(plain, Math.Clamp(ratio, 1.0 - settings.ClipLow, 1.0 + settings.ClipHigh) * token.Advantage);
        if (settings.DualClip > 0 && token.Advantage < 0)
        {
            objective = Math.Max(objective, settings.DualClip * token.Advantage);
        }

        double loss = -token.Correction * objective, slope = objective == plain ? -token.Correction * plain : 0;
        if (double.IsNaN(token.Reference))
        {
            return (loss, slope);
        }

        double difference = token.Reference - logProb;
        double bounded = Math.Min(Math.Max(difference, -PolicySettings.LargestDifference), PolicySettings.LargestDifference);
        double estimate = Math.Exp(bounded) - 1 - bounded, kl = Math.Min(estimate, PolicySettings.LargestKl);
        double klSlope = Math.Abs(difference) <= PolicySettings.LargestDifference && estimate <= PolicySettings.LargestKl
            ? 1 - Math.Exp(difference)
            : 0;
        if (settings.KlGradient == KlGradient.OnPolicy)
        {
            klSlope += kl;
        }

        return (loss + (settings.KlWeight * kl), slope + (settings.KlWeight * klSlope));
    }
}
