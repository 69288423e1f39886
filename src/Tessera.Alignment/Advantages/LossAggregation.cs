namespace Tessera.Alignment.Advantages;

/// <summary>How the losses S of the tokens of B responses with n_i tokens become one number.</summary>
public enum LossAggregation
{
    /// <summary>Σ_i Σ_t S / Σ_i n_i over all responses of an update: DAPO, the default. Long answers weigh more.</summary>
    Token,

    /// <summary>(1/B) Σ_i (1/n_i) Σ_t S: the original GRPO. A token of a long wrong answer is punished less, so answers grow.</summary>
    Sequence,

    /// <summary>Σ_i Σ_t S / (B · L_max): Dr.GRPO, an unbiased gradient of the summed return up to a constant.</summary>
    Constant,
}

/// <summary>Weights of tokens and the number that their weighted sum is divided by, over all responses of an update.</summary>
/// <param name="TokenWeights">For every response, the weight of each of its tokens.</param>
/// <param name="Normaliser">Divisor, above 0.</param>
public sealed record AggregationWeights(float[] TokenWeights, double Normaliser)
{
    /// <summary>The weights that make a plain weighted sum the aggregate.</summary>
    /// <param name="aggregation">Which.</param>
    /// <param name="lengths">Tokens of every response; 0 for one that is left out, which then counts nowhere.</param>
    /// <param name="maxLength">L_max, the most tokens of a response.</param>
    public static AggregationWeights Of(LossAggregation aggregation, ReadOnlySpan<int> lengths, int maxLength)
    {
        var weights = new float[lengths.Length];
        long tokens = 0;
        int counted = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (lengths[i] > 0)
            {
                weights[i] = aggregation == LossAggregation.Sequence ? 1f / lengths[i] : 1f;
                tokens += lengths[i];
                counted++;
            }
        }

        double normaliser = aggregation switch
        {
            LossAggregation.Token => tokens,
            LossAggregation.Sequence => counted,
            LossAggregation.Constant => (double)counted * maxLength,
            _ => throw new ArgumentOutOfRangeException(nameof(aggregation), aggregation, "unknown aggregation"),
        };
        return new AggregationWeights(weights, Math.Max(1, normaliser));
    }
}
