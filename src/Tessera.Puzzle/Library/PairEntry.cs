namespace Tessera.Puzzle.Library;

/// <summary>One line of the index of pairs.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Block">Label of the pair, for instance <c>kv2 ffn128</c>.</param>
/// <param name="File">Its weights' file below the stage's folder; null where training did not improve it and its halves stand.</param>
/// <param name="Before">Normalised error of the halves as they were.</param>
/// <param name="After">Normalised error of the weights that stand.</param>
/// <param name="Steps">Steps trained.</param>
public sealed record PairEntry(int Layer, string Block, string? File, double Before, double After, int Steps);
