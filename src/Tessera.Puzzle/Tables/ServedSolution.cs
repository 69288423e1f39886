using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>A choice for one set of loads.</summary>
/// <param name="Name">best, solution 2, greedy, uniform, parameter-max.</param>
/// <param name="Variants">The chosen block of every layer.</param>
/// <param name="Choice">Their indices in the tables.</param>
/// <param name="Score">The objective.</param>
/// <param name="Amounts">What it costs, load by load.</param>
public sealed record ServedSolution(
    string Name, IReadOnlyList<ScoredVariant> Variants, IReadOnlyList<int> Choice, double Score, IReadOnlyList<Amounts> Amounts)
{
    /// <summary>Bound, gap and prices; null for a baseline.</summary>
    public SearchResult? Certificate { get; init; }
}
