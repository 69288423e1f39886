using Tessera.Training.Memory;

namespace Tessera.Puzzle.Library;

/// <summary>What a blockwise distillation came to.</summary>
/// <param name="Before">Loss before, as a share of predicting zero.</param>
/// <param name="After">Loss of the weights that it left.</param>
/// <param name="Steps">Steps that it trained.</param>
/// <param name="Planned">The planned peak of its memory.</param>
/// <param name="Used">What it really took.</param>
public readonly record struct BlockDistillationResult(double Before, double After, int Steps, MemoryPlan Planned, MemoryPlan Used)
{
    /// <summary>Whether the weights are other ones than before.</summary>
    public bool IsImproved => After < Before;
}
