namespace Tessera.Puzzle.Compression;

/// <summary>What the searches chose; recorded once and reused.</summary>
/// <param name="Candidates">Parent, child, then those baselines that meet the limits.</param>
/// <param name="LowerBound">Proven lower bound of the child's summed score.</param>
/// <param name="Gap">Share by which the child's score may lie above the bound.</param>
/// <param name="Nodes">Nodes of the search.</param>
public sealed record SearchOutcome(IReadOnlyList<NamedChoice> Candidates, double LowerBound, double Gap, long Nodes);

/// <summary>A choice of a variant for every layer.</summary>
/// <param name="Name">parent, child, greedy, uniform or parameter-max.</param>
/// <param name="Choice">Index of the variant, layer by layer.</param>
public sealed record NamedChoice(string Name, int[] Choice);
