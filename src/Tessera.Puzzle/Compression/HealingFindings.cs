using System.Text.Json.Serialization;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Compression;

/// <summary>What a phase of the healing learned from.</summary>
/// <param name="Length">Longest document in tokens.</param>
/// <param name="Steps">Steps that the written weights have seen.</param>
/// <param name="Tokens">Input tokens of those steps.</param>
public sealed record PhaseUse(int Length, int Steps, long Tokens);

/// <summary>What was dealt of a source of data.</summary>
/// <param name="Name">Its name in the blend.</param>
/// <param name="Documents">Documents.</param>
/// <param name="Tokens">Tokens.</param>
public sealed record SourceUse(string Name, long Documents, long Tokens);

/// <summary>What continued pre-training did.</summary>
public sealed record PretrainingFindings
{
    /// <summary>Optimiser steps.</summary>
    public required int Steps { get; init; }

    /// <summary>Input tokens of those steps.</summary>
    public required long Tokens { get; init; }

    /// <summary>What was dealt of every source.</summary>
    public required IReadOnlyList<SourceUse> Sources { get; init; }

    /// <summary>Cross-entropy on its own held-out documents before, nats a token; null where none are held out.</summary>
    public double? LossBefore { get; init; }

    /// <summary>The same behind its last step.</summary>
    public double? LossAfter { get; init; }

    /// <summary>KL(parent ‖ healed child) on the compression's held-out documents before it, in f32.</summary>
    public Estimate? DivergenceBefore { get; init; }

    /// <summary>Its metrics, below the run's folder.</summary>
    public required string Metrics { get; init; }
}

/// <summary>What is known of a healing beyond the written child's KL.</summary>
public sealed record HealingFindings
{
    /// <summary>Phases in order.</summary>
    public required IReadOnlyList<PhaseUse> Phases { get; init; }

    /// <summary>Continued pre-training behind it, or null.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PretrainingFindings? Pretraining { get; init; }

    /// <summary>Parent and written child by position of the token, or null.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PositionTable? Positions { get; init; }
}
