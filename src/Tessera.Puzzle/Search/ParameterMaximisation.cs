namespace Tessera.Puzzle.Search;

/// <summary>The baseline that keeps as many parameters as the limits allow and does not look at scores.</summary>
public static class ParameterMaximisation
{
    /// <summary>
    /// The selection with the most parameters, found by the exact solver; its <see cref="BaselineResult.Score"/> is the sum of
    /// the real scores. Null where no selection meets the limits or none was found in time.
    /// </summary>
    /// <param name="problem">The problem; its scores only enter the result.</param>
    /// <param name="parameterResource">The index of the resource that counts parameters, limited or not.</param>
    /// <param name="options">
    /// When to stop; ten seconds or a millionth of the parameters by default, since counting parameters under a limit that
    /// is nearly proportional to them is a subset-sum problem, whose last digits can take for ever.
    /// </param>
    public static BaselineResult? Solve(SearchProblem problem, int parameterResource, SearchOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(parameterResource);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(parameterResource, problem.Resources.Count);
        options ??= new SearchOptions { TimeLimit = TimeSpan.FromSeconds(10), GapTolerance = 1e-6 };
        SearchResult result = ExactSolver.Solve(Rescoring.ByCost(problem, parameterResource, -1), options);
        return result.HasSolution ? BaselineResult.From(problem, result.Choice) : null;
    }
}
