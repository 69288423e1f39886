namespace Tessera.Puzzle.Search;

/// <summary>Turns targets as people state them into limits on summed costs.</summary>
/// <remarks>
/// Every method makes the resource for one cost column; what the model uses outside its layers goes into the constant.
/// Pass +∞ (or zero tokens per second) for a column that is to be reported but not limited.
/// </remarks>
public static class SearchLimits
{
    /// <summary>Bytes of weights, and of key-value cache at the scenario's batch and length.</summary>
    public static Resource Memory(double maximumBytes, double constantBytes = 0) =>
        new("memory", maximumBytes, Constant: constantBytes) { Unit = ResourceUnit.Bytes };

    /// <summary>Parameters, with an optional lower limit.</summary>
    public static Resource Parameters(double maximum, double constant = 0, double minimum = double.NegativeInfinity) =>
        new("parameters", maximum, minimum, constant) { Unit = ResourceUnit.Parameters };

    /// <summary>Seconds until a scenario's prompts are read.</summary>
    public static Resource PrefillTime(string scenario, double maximumSeconds, double constantSeconds = 0) =>
        new($"prefill time of {scenario}", maximumSeconds, Constant: constantSeconds) { Unit = ResourceUnit.Seconds };

    /// <summary>Seconds of one decoding step at a scenario's batch.</summary>
    public static Resource DecodeTimePerToken(string scenario, double maximumSeconds, double constantSeconds = 0) =>
        new($"decode time a token of {scenario}", maximumSeconds, Constant: constantSeconds) { Unit = ResourceUnit.Seconds };

    /// <summary>Seconds of all of a scenario's decoding steps together.</summary>
    public static Resource DecodeTime(string scenario, double maximumSeconds, double constantSeconds = 0) =>
        new($"decode time of {scenario}", maximumSeconds, Constant: constantSeconds) { Unit = ResourceUnit.Seconds };

    /// <summary>
    /// Throughput of a scenario, generated tokens / seconds ≥ target, as the equivalent Σ seconds ≤ generated tokens / target.
    /// </summary>
    /// <param name="scenario">The scenario's name, for messages.</param>
    /// <param name="minimumTokensPerSecond">The target; zero for none.</param>
    /// <param name="generatedTokens">Batch × output length.</param>
    /// <param name="constantSeconds">Seconds spent outside the layers.</param>
    public static Resource Throughput(
        string scenario,
        double minimumTokensPerSecond,
        double generatedTokens,
        double constantSeconds = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(minimumTokensPerSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(generatedTokens);
        return new Resource($"run time of {scenario}", generatedTokens / minimumTokensPerSecond, Constant: constantSeconds)
        {
            Unit = ResourceUnit.Seconds,
            ScenarioTokens = generatedTokens,
        };
    }
}
