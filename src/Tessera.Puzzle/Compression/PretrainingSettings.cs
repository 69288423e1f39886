using Tessera.Training;
using Tessera.Training.Objectives;

namespace Tessera.Puzzle.Compression;

/// <summary>Continued pre-training of a healed child on data of its own.</summary>
/// <param name="Training">Length, rate and batches.</param>
/// <param name="Weights">Cross-entropy, and where wanted KL from the parent.</param>
/// <param name="Interval">Steps between checkpoints and validations.</param>
public sealed record PretrainingSettings(TrainingSettings Training, ObjectiveWeights Weights, int Interval)
{
    /// <summary>What decides the result besides model and data.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        ("pretraining", FormattableString.Invariant($"{Training with { Recompute = default, MemoryLimit = null }}")),
        ("pretraining-losses", FormattableString.Invariant($"{Weights}")),
    ];
}
