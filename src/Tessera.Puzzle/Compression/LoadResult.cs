using Tessera.Puzzle.Costs;

namespace Tessera.Puzzle.Compression;

/// <summary>A load besides the one that decides, in which parent and child are measured as well.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Scenario">The load.</param>
public sealed record MeasuredLoad(string Name, ServingScenario Scenario);

/// <summary>One model in one load: predicted from the costs of its halves in that load, and measured as a whole.</summary>
public sealed record LoadResult
{
    /// <summary>Name of the load.</summary>
    public required string Load { get; init; }

    /// <summary>parent or child.</summary>
    public required string Model { get; init; }

    /// <summary>The load.</summary>
    public required ServingScenario Scenario { get; init; }

    /// <summary>Predicted time of the prompts.</summary>
    public required double PredictedPrefillSeconds { get; init; }

    /// <summary>Predicted time of one generation step.</summary>
    public required double PredictedDecodeSeconds { get; init; }

    /// <summary>Measured time of the prompts, median.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>Measured time of one generation step, mean over the output, median.</summary>
    public required double DecodeSeconds { get; init; }

    /// <summary>Passes through the whole load behind the measured times.</summary>
    public required int Rounds { get; init; }

    /// <summary>Predicted generated tokens a second, prompts included in the time.</summary>
    public double PredictedThroughput => Scenario.Throughput(PredictedPrefillSeconds, PredictedDecodeSeconds);

    /// <summary>Measured generated tokens a second, prompts included in the time.</summary>
    public double Throughput => Scenario.Throughput(PrefillSeconds, DecodeSeconds);

    /// <summary>Measured over predicted throughput.</summary>
    public double Ratio => Throughput / PredictedThroughput;

    /// <summary>The result of a candidate in the load that decides.</summary>
    internal static LoadResult Of(CandidateResult candidate, ServingScenario scenario, int rounds) => new()
    {
        Load = "serving",
        Model = candidate.Name,
        Scenario = scenario,
        PredictedPrefillSeconds = candidate.PredictedPrefillSeconds,
        PredictedDecodeSeconds = candidate.PredictedDecodeSeconds,
        PrefillSeconds = candidate.PrefillSeconds,
        DecodeSeconds = candidate.DecodeSeconds,
        Rounds = rounds,
    };
}
