using Tessera.Devices;
using Tessera.Training;
using Tessera.Training.Objectives;

namespace Tessera.Puzzle.Compression;

/// <summary>How an assembled or fused child is distilled from its parent, and how it is stored.</summary>
/// <param name="Training">Length, rate and batches; 0 steps for none.</param>
/// <param name="Weights">Losses.</param>
/// <param name="Interval">Steps between checkpoints and validations.</param>
/// <param name="Storage">Storage of the written child's matrices.</param>
public sealed record HealingSettings(TrainingSettings Training, ObjectiveWeights Weights, int Interval, DType Storage)
{
    /// <summary>Steps of the whole healing.</summary>
    public int Steps => Training.Schedule.TotalSteps;

    /// <summary>Most bytes of the device's memory while the written child is compared with its parent; null for the usual.</summary>
    public long? Memory { get; init; }

    /// <summary>Phases, early stop, and what is tested at the end.</summary>
    public HealingCourse Course { get; init; } = new();

    /// <summary>Continued pre-training of the healed child; null for none.</summary>
    public PretrainingSettings? Pretraining { get; init; }

    /// <summary>What decides the healed weights, for the stage's hash: how much is kept for the backward changes no bit of them.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        ("healing", FormattableString.Invariant($"{Training with { Recompute = default, MemoryLimit = null }}")),
        ("losses", FormattableString.Invariant($"{Weights}")), .. Course.Identity,
    ];

    /// <summary>What decides all that comes behind the assembly.</summary>
    internal IEnumerable<(string Name, string Value)> WholeIdentity(HealingData data) =>
    [
        .. Identity, .. Pretraining?.Identity ?? [],
        .. Pretraining is null || data.Pretraining is null ? [] : ((string, string)[])[("pretraining-data", data.Pretraining.Hash)],
        .. Course.TestLength == 0 ? [] : ((string, string)[])[("test-length", FormattableString.Invariant($"{Course.TestLength}"))],
    ];
}
