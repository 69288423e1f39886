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

    /// <summary>What decides the result, for the stage's hash: how much is kept for the backward changes no bit of it.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        ("healing", FormattableString.Invariant($"{Training with { Recompute = default, MemoryLimit = null }}")),
        ("losses", FormattableString.Invariant($"{Weights}")),
    ];
}
