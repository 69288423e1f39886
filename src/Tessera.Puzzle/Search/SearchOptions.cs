namespace Tessera.Puzzle.Search;

/// <summary>When a search may stop.</summary>
public sealed record SearchOptions
{
    /// <summary>Wall-clock limit; the best solution so far and a proven bound are returned when it strikes.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Stop once (score − bound) / |score| is proven to be no larger; 0 asks for the optimum.</summary>
    public double GapTolerance { get; init; }

    /// <summary>Most nodes to expand; unlike the time limit it stops every run at the same place.</summary>
    public long NodeLimit { get; init; } = long.MaxValue;

    /// <summary>Which program solves.</summary>
    public SearchEngine Engine { get; init; }

    /// <summary>A solution to start from, one choice index a layer; ignored where it is not feasible.</summary>
    public int[]? Start { get; init; }
}
