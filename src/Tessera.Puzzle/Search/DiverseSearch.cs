namespace Tessera.Puzzle.Search;

/// <summary>Several good solutions that differ from each other.</summary>
public static class DiverseSearch
{
    /// <summary>
    /// The best solution, then repeatedly the best that agrees with each earlier one in at most α · L layers; fewer than
    /// asked for where no further one exists or was found in time.
    /// </summary>
    /// <param name="problem">The problem; its own diversity cuts are kept.</param>
    /// <param name="count">How many solutions to find.</param>
    /// <param name="maximumEqualFraction">α; 0.8 asks that a fifth of the layers differ.</param>
    /// <param name="options">When each solve may stop.</param>
    /// <param name="solve">Solves one problem; <see cref="ExactSolver"/> by default.</param>
    public static IReadOnlyList<SearchResult> Solve(
        SearchProblem problem,
        int count,
        double maximumEqualFraction,
        SearchOptions? options = null,
        Func<SearchProblem, SearchOptions, SearchResult>? solve = null)
    {
        options ??= new SearchOptions();
        solve ??= ExactSolver.Solve;
        var results = new List<SearchResult>();
        while (results.Count < count)
        {
            IEnumerable<DiversityCut> cuts = results.Select(result => DiversityCut.FromFraction(result.Choice, maximumEqualFraction));
            SearchResult result = solve(problem.WithDiversity([.. problem.Diversity, .. cuts]), options);
            if (!result.HasSolution)
            {
                break;
            }

            results.Add(result);
        }

        return results;
    }
}
