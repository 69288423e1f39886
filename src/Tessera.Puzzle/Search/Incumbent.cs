namespace Tessera.Puzzle.Search;

/// <summary>The best solution found so far, checked against the source's limits as the caller will check them.</summary>
internal sealed class Incumbent(SearchProblem source, double gapTolerance)
{
    /// <summary>Differences below this share of the typical score range count as ties.</summary>
    public const double TieShare = 1e-10;

    public int[] Choice { get; private set; } = [];

    /// <summary>Its score without the reduced problem's offset.</summary>
    public double ReducedScore { get; private set; } = double.PositiveInfinity;

    public bool Exists => !double.IsPositiveInfinity(ReducedScore);

    /// <summary>The reduced score that a node's bound must stay below to be worth opening.</summary>
    public double Cutoff { get; private set; } = double.PositiveInfinity;

    /// <summary>Takes the solution if it is better and feasible.</summary>
    public bool Offer(ReducedProblem problem, ReadOnlySpan<int> columns)
    {
        double score = 0;
        foreach (int column in columns)
        {
            score += problem.Score[column];
        }

        if (!(score < ReducedScore))
        {
            return false;
        }

        return Take(problem, problem.ToChoice(columns), score);
    }

    /// <summary>The same for a caller's solution, which may use variants that the reduced problem left out.</summary>
    public bool OfferChoice(ReducedProblem problem, int[] choice)
    {
        double score = source.ScoreOf(choice) - problem.ScoreOffset;
        return score < ReducedScore && Take(problem, [.. choice], score);
    }

    private bool Take(ReducedProblem problem, int[] choice, double score)
    {
        if (!source.IsFeasible(choice))
        {
            return false;
        }

        (Choice, ReducedScore) = (choice, score);
        double tie = TieShare * problem.ScoreRange;
        Cutoff = score - Math.Max(tie, gapTolerance * Math.Abs(score + problem.ScoreOffset));
        return true;
    }
}
