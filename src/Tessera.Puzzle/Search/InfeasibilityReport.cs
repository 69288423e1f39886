namespace Tessera.Puzzle.Search;

/// <summary>Why limits cannot be met, in figures and in sentences.</summary>
/// <param name="Status">
/// <see cref="SearchStatus.Infeasible"/> where that is proven, <see cref="SearchStatus.Feasible"/> where the limits can be met.
/// </param>
/// <param name="Limits">Every limit; empty where they can be met.</param>
/// <param name="Sentences">The explanation, one sentence each.</param>
public sealed record InfeasibilityReport(SearchStatus Status, IReadOnlyList<LimitReport> Limits, IReadOnlyList<string> Sentences);
