namespace Tessera.Puzzle.Search;

/// <summary>A solution with its certificate.</summary>
public sealed record SearchResult
{
    /// <summary>What was proven.</summary>
    public required SearchStatus Status { get; init; }

    /// <summary>The chosen index in every layer; empty without a solution.</summary>
    public required int[] Choice { get; init; }

    /// <summary>The summed score; +∞ without a solution.</summary>
    public required double Score { get; init; }

    /// <summary>No solution can score below this; +∞ where none exists.</summary>
    public required double LowerBound { get; init; }

    /// <summary>The bound before any branching: the maximum of the Lagrangian dual.</summary>
    public required double RootBound { get; init; }

    /// <summary>
    /// The dual multiplier of every resource at the root, in score per unit of cost: positive where a maximum binds,
    /// negative where a minimum does. About what one unit more of the limit would save.
    /// </summary>
    public required double[] ShadowPrices { get; init; }

    /// <summary>Nodes of the tree that were expanded.</summary>
    public required long Nodes { get; init; }

    /// <summary>Wall-clock time.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Whether there is a solution.</summary>
    public bool HasSolution => Choice.Length > 0 || double.IsFinite(Score);

    /// <summary>(Score − LowerBound) / max(|Score|, |LowerBound|), 0 where they meet, +∞ without a solution.</summary>
    public double Gap
    {
        get
        {
            if (!HasSolution)
            {
                return double.PositiveInfinity;
            }

            double difference = Score - LowerBound;
            return difference <= 0 ? 0 : difference / Math.Max(Math.Abs(Score), Math.Abs(LowerBound));
        }
    }

    /// <summary>What an incumbent and a bound prove.</summary>
    /// <param name="problem">The problem, for the exact score.</param>
    /// <param name="incumbent">The best solution found, if any.</param>
    /// <param name="lowerBound">No solution scores below this.</param>
    /// <param name="rootBound">The bound before branching.</param>
    /// <param name="prices">Shadow prices.</param>
    /// <param name="nodes">Nodes expanded.</param>
    /// <param name="elapsed">Time taken.</param>
    /// <param name="isStopped">Whether the search ended before its proof.</param>
    internal static SearchResult Of(
        SearchProblem problem, Incumbent incumbent, double lowerBound, double rootBound, double[] prices, long nodes, TimeSpan elapsed,
        bool isStopped)
    {
        double score = incumbent.Exists ? problem.ScoreOf(incumbent.Choice) : double.PositiveInfinity;
        return new SearchResult
        {
            Status = (incumbent.Exists, isStopped) switch
            {
                (true, false) => SearchStatus.Optimal,
                (true, true) => SearchStatus.Feasible,
                (false, false) => SearchStatus.Infeasible,
                (false, true) => SearchStatus.Unknown,
            },
            Choice = incumbent.Choice,
            Score = score,
            LowerBound = incumbent.Exists ? Math.Min(lowerBound, score) : lowerBound,
            RootBound = rootBound,
            ShadowPrices = prices,
            Nodes = nodes,
            Elapsed = elapsed,
        };
    }
}
