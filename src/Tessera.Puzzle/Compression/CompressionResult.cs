using System.Text.Json.Serialization;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Compression;

/// <summary>One model of the comparison: parent, child, or a baseline.</summary>
public sealed record CandidateResult
{
    /// <summary>parent, child, greedy, uniform, parameter-max.</summary>
    public required string Name { get; init; }

    /// <summary>Label of every layer's variant.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    /// <summary>Weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Cache bytes a token in the scenario's storage.</summary>
    public required long KvBytesPerToken { get; init; }

    /// <summary>Summed one-swap scores: the predicted KL, nats a token.</summary>
    public required double PredictedDivergence { get; init; }

    /// <summary>KL(parent ‖ model) on the scoring batches, nothing healed.</summary>
    public required Estimate ScoringDivergence { get; init; }

    /// <summary>KL(parent ‖ model) on held-out batches, nothing healed.</summary>
    public required Estimate HeldOutDivergence { get; init; }

    /// <summary>Predicted time of one generation step.</summary>
    public required double PredictedDecodeSeconds { get; init; }

    /// <summary>Measured time of one generation step, median.</summary>
    public required double DecodeSeconds { get; init; }

    /// <summary>Predicted time of the prompts.</summary>
    public required double PredictedPrefillSeconds { get; init; }

    /// <summary>Measured time of the prompts, median.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>Right answers and problems; 0 of 0 where there are no tasks.</summary>
    public int Correct { get; init; }

    /// <inheritdoc cref="Correct" />
    public int Problems { get; init; }
}

/// <summary>A limit and what the assembled child really reaches.</summary>
/// <param name="Target">As written.</param>
/// <param name="Reached">In the target's unit: bytes, weights, seconds, tokens a second, or a ratio to the measured parent.</param>
/// <param name="IsMet">Whether that is within the limit.</param>
public sealed record TargetCheck(string Target, double Reached, bool IsMet);

/// <summary>What a compression found.</summary>
public sealed record CompressionResult
{
    /// <summary>What tables call the child as it was written: healed where that was asked for, in the storage that is served.</summary>
    public const string Written = "child, written";

    /// <summary>The load.</summary>
    public required ServingScenario Scenario { get; init; }

    /// <summary>The limits, and whether the measured child meets them.</summary>
    public required IReadOnlyList<TargetCheck> Targets { get; init; }

    /// <summary>Parent, child before healing, baselines.</summary>
    public required IReadOnlyList<CandidateResult> Candidates { get; init; }

    /// <summary>Proven lower bound of the first search's score; rounds of scoring again have bounds of their own.</summary>
    public required double LowerBound { get; init; }

    /// <summary>Share by which the score that the first search found may lie above the bound.</summary>
    public required double Gap { get; init; }

    /// <summary>Nodes of the search.</summary>
    public required long Nodes { get; init; }

    /// <summary>KL of the written child on held-out batches.</summary>
    public required Estimate HealedDivergence { get; init; }

    /// <summary>Right answers of the written child.</summary>
    public int HealedCorrect { get; init; }

    /// <summary>Folder of the written child.</summary>
    public required string ChildFolder { get; init; }

    /// <summary>Folders of the run's stages by name; null in results of earlier versions.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string>? StageFolders { get; init; }

    /// <summary>The child before and after fusion; null where nothing was fused.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FusionComparison? Fusion { get; init; }

    /// <summary>Whether the scores of the first search's choice added up to the divergence of the assembled model; null in results of older versions.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AdditivityCheck? Additivity { get; init; }

    /// <summary>Rounds of scoring again around the child; null where none were asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RescoringOutcome? Rescoring { get; init; }

    /// <summary>Phases, continued pre-training and the comparison by position; null where none of them was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HealingFindings? Healing { get; init; }

    /// <summary>Parent and child in further loads; empty where there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<LoadResult>? Loads { get; init; }

    /// <summary>Stages in order, with their times.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<StageTime>? Stages { get; init; }

    /// <summary>The time of the library of all layers, where some were left untrained.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public LibraryProjection? Projection { get; init; }

    /// <summary>
    /// The child before healing in the form that is written: as assembled, or fused. A fused child's times are its own, measured in
    /// turn with the assembled one and the parent.
    /// </summary>
    [JsonIgnore]
    public CandidateResult Delivered => Delivery(Candidates[1], Fusion);

    /// <summary>The parent with the times that it had in turn with <see cref="Delivered"/>.</summary>
    [JsonIgnore]
    public CandidateResult DeliveredParent => DeliveryParent(Candidates[0], Fusion);

    /// <inheritdoc cref="Delivered" />
    internal static CandidateResult Delivery(CandidateResult child, FusionComparison? fusion) => fusion is null ? child : child with
    {
        Name = "child, fused",
        Parameters = fusion.After.Parameters,
        HeldOutDivergence = fusion.After.Divergence ?? child.HeldOutDivergence,
        DecodeSeconds = fusion.After.DecodeSeconds,
        PrefillSeconds = fusion.After.PrefillSeconds,
        Correct = fusion.After.Correct,
    };

    /// <inheritdoc cref="DeliveredParent" />
    internal static CandidateResult DeliveryParent(CandidateResult parent, FusionComparison? fusion) => fusion?.Parent is not { } time
        ? parent
        : parent with { DecodeSeconds = time.DecodeSeconds, PrefillSeconds = time.PrefillSeconds };
}
