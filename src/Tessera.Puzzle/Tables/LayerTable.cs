namespace Tessera.Puzzle.Tables;

/// <summary>The alternatives of one layer.</summary>
/// <param name="Mixer">Label of the parent's own mixer.</param>
/// <param name="FeedForward">Label of the parent's own feed-forward.</param>
/// <param name="Variants">What may stand in the layer.</param>
public sealed record LayerTable(string Mixer, string FeedForward, IReadOnlyList<ScoredVariant> Variants);
