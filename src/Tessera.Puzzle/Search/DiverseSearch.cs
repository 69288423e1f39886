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
    public static IReadOnlyList<SearchResult> Solve(
        SearchProblem problem,
        int count,
        double maximumEqualFraction,
        SearchOptions? options = null)
    {
        var results = new List<SearchResult>();
        while (results.Count < count)
        {
            IEnumerable<DiversityCut> cuts = results.Select(result => DiversityCut.FromFraction(result.Choice, maximumEqualFraction));
            SearchResult result = ExactSolver.Solve(problem.WithDiversity([.. problem.Diversity, .. cuts]), options);
            if (!result.HasSolution)
            {
                break;
            }

            results.Add(result);
        }

        return results;
    }
}
