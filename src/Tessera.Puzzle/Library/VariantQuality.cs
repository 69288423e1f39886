namespace Tessera.Puzzle.Library;

/// <summary>Normalised error of a variant before and after its distillation.</summary>
/// <param name="Before">Right after initialisation.</param>
/// <param name="After">After distillation.</param>
public sealed record VariantQuality(double Before, double After);
