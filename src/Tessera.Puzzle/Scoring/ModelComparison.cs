using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>What the heads of a child and of its parent read of one batch.</summary>
/// <param name="Hidden">The child's normalised hidden states, [tokens, its width].</param>
/// <param name="Head">The child's head.</param>
/// <param name="ParentHidden">The parent's normalised hidden states.</param>
/// <param name="ParentHead">The parent's head.</param>
internal readonly record struct ModelComparison(Tensor Hidden, Parameter Head, Tensor ParentHidden, Parameter ParentHead);
