namespace Tessera.Puzzle.Search;

/// <summary>Explains limits that cannot be met: which one, or which together, and what could be met instead.</summary>
public static class Infeasibility
{
    // Any first solution ends a search for one.
    private const double AnySolution = 1e12;

    /// <summary>Examines every limit alone, the smallest conflicting set, and the nearest value of each given the others.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="format">Prints an amount of a resource; <see cref="ResourceFormat.Human"/> by default.</param>
    /// <param name="options">When each of the solves may stop; five seconds or a gap of 10⁻⁹ each by default.</param>
    public static InfeasibilityReport Explain(
        SearchProblem problem,
        Func<Resource, double, string>? format = null,
        SearchOptions? options = null)
    {
        format ??= ResourceFormat.Human;
        options ??= new SearchOptions { TimeLimit = TimeSpan.FromSeconds(5), GapTolerance = 1e-9 };
        problem = Rescoring.WithDiversityAsResources(problem);
        SearchStatus status = Feasibility(problem, options);
        if (status == SearchStatus.Feasible)
        {
            return new InfeasibilityReport(status, [], ["The limits can be met."]);
        }

        List<LimitSide> sides = Sides(problem);
        HashSet<LimitSide> conflict = status == SearchStatus.Infeasible ? Conflict(problem, sides, options) : [];
        LimitReport[] reports = [.. sides.Select(side => Report(problem, side, conflict.Contains(side), options))];
        return new InfeasibilityReport(status, reports, InfeasibilityText.Sentences(status, reports, format));
    }

    private static SearchStatus Feasibility(SearchProblem problem, SearchOptions options)
    {
        SearchResult result = ExactSolver.Solve(problem, options with { GapTolerance = AnySolution });
        return result.HasSolution ? SearchStatus.Feasible : result.Status;
    }

    private static List<LimitSide> Sides(SearchProblem problem)
    {
        var sides = new List<LimitSide>();
        for (int resource = 0; resource < problem.Resources.Count; resource++)
        {
            if (!double.IsPositiveInfinity(problem.Resources[resource].Maximum))
            {
                sides.Add(new LimitSide(resource, true));
            }

            if (!double.IsNegativeInfinity(problem.Resources[resource].Minimum))
            {
                sides.Add(new LimitSide(resource, false));
            }
        }

        return sides;
    }

    // Deletion filter: a limit without which the rest still conflicts is not needed to explain the conflict.
    private static HashSet<LimitSide> Conflict(SearchProblem problem, List<LimitSide> sides, SearchOptions options)
    {
        var needed = new HashSet<LimitSide>(sides);
        foreach (LimitSide side in sides)
        {
            needed.Remove(side);
            if (Feasibility(Only(problem, needed), options) != SearchStatus.Infeasible)
            {
                needed.Add(side);
            }
        }

        return needed;
    }

    private static SearchProblem Only(SearchProblem problem, HashSet<LimitSide> sides)
    {
        return problem.WithResources([.. problem.Resources.Select((resource, index) => resource with
        {
            Maximum = sides.Contains(new LimitSide(index, true)) ? resource.Maximum : double.PositiveInfinity,
            Minimum = sides.Contains(new LimitSide(index, false)) ? resource.Minimum : double.NegativeInfinity,
        })]);
    }

    private static LimitReport Report(SearchProblem problem, LimitSide side, bool isInConflict, SearchOptions options)
    {
        Resource resource = problem.Resources[side.Resource];
        double reachable = Reachable(problem, side);
        double slack = problem.SlackOf(side.Resource);
        SearchProblem others = Only(problem, [.. Sides(problem).Where(other => other != side)]);
        SearchResult nearest = ExactSolver.Solve(Rescoring.ByCost(others, side.Resource, side.IsMaximum ? 1 : -1), options);
        return new LimitReport
        {
            Resource = resource,
            IsMaximum = side.IsMaximum,
            ReachableAlone = reachable,
            CanBeMetAlone = side.IsMaximum ? reachable <= resource.Maximum + slack : reachable >= resource.Minimum - slack,
            IsInConflict = isInConflict,
            Nearest = nearest.HasSolution ? problem.TotalOf(side.Resource, nearest.Choice) : null,
            IsNearestProven = nearest.Status is SearchStatus.Optimal or SearchStatus.Infeasible,
        };
    }

    private static double Reachable(SearchProblem problem, LimitSide side)
    {
        double sum = problem.Resources[side.Resource].Constant;
        foreach (IReadOnlyList<Choice> layer in problem.Layers)
        {
            sum += side.IsMaximum
                ? layer.Min(choice => choice.Costs[side.Resource])
                : layer.Max(choice => choice.Costs[side.Resource]);
        }

        return sum;
    }

    private readonly record struct LimitSide(int Resource, bool IsMaximum);
}
