namespace Tessera.Puzzle.Search;

/// <summary>What a search has proven.</summary>
public enum SearchStatus
{
    /// <summary>The solution is the best one, or as near to it as the gap tolerance asked.</summary>
    Optimal,

    /// <summary>A solution and a bound, the search was stopped before they met.</summary>
    Feasible,

    /// <summary>No solution meets the limits.</summary>
    Infeasible,

    /// <summary>The search was stopped before it found a solution or proved that there is none.</summary>
    Unknown,
}
