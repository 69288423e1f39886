using System.Diagnostics;

namespace Tessera.Puzzle.Search;

/// <summary>Minimises the largest of several sums: the score in the scenario that suffers most.</summary>
/// <remarks>
/// min over x of max over k of Σ costₖ(x), for columns k of the problem. Bounds: no selection's largest sum is below the least of
/// any one column, nor below the least of their mean. Between bound and best selection the value is halved: whether all columns
/// can stay at or below it is one more problem of the same kind. Ends at a relative gap of 10⁻⁴ (or the tolerance asked for), or when
/// time is up. The result depends on problem and options alone unless the time limit strikes.
/// </remarks>
public static class WorstCaseSearch
{
    private const double RelativeGap = 1e-4;
    private const double AnySolution = 1e12;

    /// <summary>The selection whose largest sum is least, with a proven bound.</summary>
    /// <param name="problem">The problem; its own scores only lead the search.</param>
    /// <param name="columns">Indices of the resources of which the largest counts.</param>
    /// <param name="options">When to stop.</param>
    public static SearchResult Solve(SearchProblem problem, IReadOnlyList<int> columns, SearchOptions? options = null)
    {
        options ??= new SearchOptions();
        var clock = Stopwatch.StartNew();
        SearchResult result = ExactSolver.Solve(Mean(problem, columns), options);
        if (!result.HasSolution)
        {
            return result;
        }

        long nodes = result.Nodes;
        int[] best = result.Choice;
        double upper = Largest(problem, columns, best);
        double lower = result.LowerBound;
        foreach (int column in columns)
        {
            SearchResult alone = ExactSolver.Solve(Rescoring.ByCost(problem, column, 1), Remaining(options, clock));
            nodes += alone.Nodes;
            lower = Math.Max(lower, alone.LowerBound + problem.Resources[column].Constant);
            if (alone.HasSolution && Largest(problem, columns, alone.Choice) < upper)
            {
                (best, upper) = (alone.Choice, Largest(problem, columns, alone.Choice));
            }
        }

        bool isProven = true;
        while (isProven && upper - lower > Math.Max(options.GapTolerance, RelativeGap) * Math.Abs(upper))
        {
            double middle = (lower + upper) / 2;
            SearchResult within = ExactSolver.Solve(
                Within(Mean(problem, columns), columns, middle), Remaining(options, clock) with { GapTolerance = AnySolution, Start = null });
            nodes += within.Nodes;
            if (within.HasSolution)
            {
                (best, upper) = (within.Choice, Math.Min(upper, Largest(problem, columns, within.Choice)));
            }
            else
            {
                isProven = within.Status == SearchStatus.Infeasible;
                lower = isProven ? middle : lower;
            }
        }

        return new SearchResult
        {
            Status = isProven ? SearchStatus.Optimal : SearchStatus.Feasible,
            Choice = best,
            Score = upper,
            LowerBound = Math.Min(lower, upper),
            RootBound = result.RootBound,
            ShadowPrices = new double[problem.Resources.Count],
            Nodes = nodes,
            Elapsed = clock.Elapsed,
        };
    }

    private static double Largest(SearchProblem problem, IReadOnlyList<int> columns, int[] choice) =>
        columns.Max(column => problem.TotalOf(column, choice));

    // A mean of sums is at most the largest of them, so its least value is a bound.
    private static SearchProblem Mean(SearchProblem problem, IReadOnlyList<int> columns)
    {
        double constant = columns.Average(column => problem.Resources[column].Constant) / problem.Layers.Count;
        return new SearchProblem(
            [.. problem.Layers.Select(layer => (IReadOnlyList<Choice>)[.. layer.Select(
                choice => choice with { Score = constant + columns.Average(column => choice.Costs[column]) })])],
            problem.Resources, problem.Diversity);
    }

    private static SearchProblem Within(SearchProblem problem, IReadOnlyList<int> columns, double most) =>
        problem.WithResources([.. problem.Resources.Select((resource, index) =>
            columns.Contains(index) ? resource with { Maximum = Math.Min(most, resource.Maximum) } : resource)]);

    private static SearchOptions Remaining(SearchOptions options, Stopwatch clock)
    {
        TimeSpan left = options.TimeLimit - clock.Elapsed;
        return options with { TimeLimit = left > TimeSpan.Zero ? left : TimeSpan.Zero };
    }
}
