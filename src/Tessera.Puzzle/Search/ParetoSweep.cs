namespace Tessera.Puzzle.Search;

/// <summary>Solves for a list of limits: the curve of score against size or speed.</summary>
public static class ParetoSweep
{
    /// <summary>The best score for each maximum of one resource; all other limits stay. Rows come in the order of the limits.</summary>
    public static IReadOnlyList<ParetoRow> Run(
        SearchProblem problem,
        int resource,
        IReadOnlyList<double> maxima,
        SearchOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(resource);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(resource, problem.Resources.Count);
        return Run(
            maxima,
            maximum => problem.WithResources([.. problem.Resources.Select((limits, index) =>
                index == resource ? limits with { Maximum = maximum } : limits)]),
            options);
    }

    /// <summary>
    /// The general form: any problem for each value, such as one whose limits are a share of the parent's costs, or whose
    /// costs belong to a batch size. Layers and variants must be the same ones in the same order, since earlier solutions
    /// serve as starts.
    /// </summary>
    public static IReadOnlyList<ParetoRow> Run(
        IReadOnlyList<double> values,
        Func<double, SearchProblem> problemAt,
        SearchOptions? options = null,
        Func<SearchProblem, SearchOptions, SearchResult>? solve = null)
    {
        options ??= new SearchOptions();
        solve ??= ExactSolver.Solve;
        var rows = new List<ParetoRow>();
        foreach (double value in values)
        {
            SearchProblem problem = problemAt(value);
            int[]? start = rows.Where(row => row.Result.HasSolution).Select(row => row.Result.Choice)
                .Where(choice => problem.IsFeasible(choice)).MinBy(choice => problem.ScoreOf(choice));
            rows.Add(new ParetoRow(value, solve(problem, options with { Start = start ?? options.Start })));
        }

        return rows;
    }
}
