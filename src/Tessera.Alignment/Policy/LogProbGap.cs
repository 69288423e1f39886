namespace Tessera.Alignment.Policy;

/// <summary>What to do about tokens that engine and trainer give different probabilities.</summary>
public enum OffPolicyCorrection
{
    /// <summary>Nothing, but measure: engine and trainer run the same weights and the same layers.</summary>
    None,

    /// <summary>ρ = min(e^(logp_trainer − logp_engine), upper bound): truncated importance sampling.</summary>
    Truncate,

    /// <summary>ρ = e^(logp_trainer − logp_engine) within the bounds, 0 outside.</summary>
    Mask,
}

/// <summary>How far engine and trainer are apart on the sampled tokens; Δ = logp_trainer − logp_engine.</summary>
/// <param name="MeanFactor">Mean e^|Δ|: 1 is perfect, up to 1.02 healthy, a rise precedes collapse.</param>
/// <param name="Largest">Largest |Δ|.</param>
/// <param name="Divergence">Mean e^Δ − 1 − Δ: estimate of KL(engine ‖ trainer), alarming above 1e-3.</param>
/// <param name="OutsideShare">Share of tokens whose e^Δ is outside the bounds.</param>
/// <param name="Tokens">Number of tokens.</param>
public readonly record struct LogProbGap(double MeanFactor, double Largest, double Divergence, double OutsideShare, long Tokens)
{
    /// <summary>Measures the gap over micro-batches whose old log-probabilities are set.</summary>
    /// <param name="batches">The micro-batches.</param>
    /// <param name="low">Least e^Δ that counts as inside.</param>
    /// <param name="high">Largest e^Δ that counts as inside.</param>
    public static LogProbGap Of(IEnumerable<PolicyBatch> batches, double low, double high)
    {
        double factors = 0, largest = 0, divergence = 0;
        long tokens = 0, outside = 0;
        foreach (var batch in batches)
        {
            for (int t = 0; t < batch.Ids.Length; t++)
            {
                if (batch.IsResponse[t] == 0)
                {
                    continue;
                }

                double difference = (double)batch.OldLogProbs[t] - batch.EngineLogProbs[t], ratio = Math.Exp(difference);
                factors += Math.Exp(Math.Abs(difference));
                largest = double.IsNaN(difference) ? double.NaN : Math.Max(largest, Math.Abs(difference));
                divergence += ratio - 1 - difference;
                outside += ratio >= low && ratio <= high ? 0 : 1;
                tokens++;
            }
        }

        return tokens == 0
            ? new LogProbGap(1, 0, 0, 0, 0)
            : new LogProbGap(factors / tokens, largest, divergence / tokens, (double)outside / tokens, tokens);
    }

    /// <summary>ρ of every row of a batch, or null for none; a token of unknown probability is left out.</summary>
    public static float[]? Corrections(PolicyBatch batch, OffPolicyCorrection correction, double low, double high)
    {
        if (correction == OffPolicyCorrection.None)
        {
            return null;
        }

        var values = new float[batch.Ids.Length];
        for (int t = 0; t < values.Length; t++)
        {
            double ratio = Math.Exp((double)batch.OldLogProbs[t] - batch.EngineLogProbs[t]);
            values[t] = correction switch
            {
                _ when !double.IsFinite(ratio) => 0f,
                OffPolicyCorrection.Truncate => (float)Math.Min(ratio, high),
                _ => ratio >= low && ratio <= high ? (float)ratio : 0f,
            };
        }

        return values;
    }
}
