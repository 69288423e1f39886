using System.Text.Json.Serialization;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Fusion;

/// <summary>A model before or after its feed-forwards were fused, nothing healed.</summary>
public sealed record FusionSide
{
    /// <summary>Label of every layer.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    /// <summary>Weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>KL(parent ‖ model) on held-out documents in f32, nats a token; null without data.</summary>
    public required Estimate? Divergence { get; init; }

    /// <summary>Measured time of one generation step, median.</summary>
    public required double DecodeSeconds { get; init; }

    /// <summary>Measured time of the prompts, median.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>Right answers and problems of the weights as they are served; 0 of 0 where there are no tasks.</summary>
    public int Correct { get; init; }

    /// <inheritdoc cref="Correct" />
    public int Problems { get; init; }
}

/// <summary>What a fusion does to a model.</summary>
public sealed record FusionComparison
{
    /// <summary>The runs that were fused, such as <c>3-6</c>; empty where nothing could be.</summary>
    public required IReadOnlyList<string> Runs { get; init; }

    /// <summary>Whether the attentions of a run are one too.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool WholeBlocks { get; init; }

    /// <summary>The model as it was.</summary>
    public required FusionSide Before { get; init; }

    /// <summary>The shorter model.</summary>
    public required FusionSide After { get; init; }

    /// <summary>Median times of the parent, timed in turn with both; null where the model as it was is the parent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ScenarioTime? Parent { get; init; }

    /// <summary>Generation steps a second, after over before: median of the ratios of neighbouring rounds.</summary>
    public required double DecodeSpeedUp { get; init; }

    /// <summary>Half the interquartile range of those ratios.</summary>
    public required double DecodeSpeedUpSpread { get; init; }

    /// <summary>Rounds that both were timed in, in turn.</summary>
    public required int Rounds { get; init; }
}
