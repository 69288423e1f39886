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
}
