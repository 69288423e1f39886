using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

public sealed class InfeasibilityTests
{
    private const double Gibibyte = 1024.0 * 1024 * 1024;

    [Fact]
    public void Feasible_limits_are_said_to_be_feasible()
    {
        InfeasibilityReport report = Infeasibility.Explain(MemoryAndTime(20, 20));
        Assert.Equal(SearchStatus.Feasible, report.Status);
        Assert.Equal(["The limits can be met."], report.Sentences);
    }

    [Fact]
    public void Limit_that_no_selection_reaches_is_named_with_the_least_that_can_be_reached()
    {
        InfeasibilityReport report = Infeasibility.Explain(MemoryAndTime(3, 20));
        Assert.Equal(SearchStatus.Infeasible, report.Status);
        Assert.Equal(
            [
                "No selection meets memory of at most 3 GiB: the least that can be reached is 4 GiB.",
                "While the other limits stay, the nearest maximum of memory is 4 GiB.",
                "No maximum of run time of chat helps while the other limits stay.",
            ],
            report.Sentences);
        Assert.True(report.Limits[0].IsInConflict);
        Assert.False(report.Limits[1].IsInConflict);
    }

    [Fact]
    public void Limits_that_only_conflict_together_are_named_with_the_nearest_value_of_each()
    {
        // Two layers, each either 1 GiB and 8 s or 8 GiB and 1 s, and 2 GiB outside: 11 GiB with 9 s is the compromise.
        InfeasibilityReport report = Infeasibility.Explain(MemoryAndTime(10, 10));
        Assert.Equal(
            [
                "Each limit can be met alone, but not together: memory of at most 10 GiB and run time of chat of at most 10 s "
                    + "(100 tokens/s).",
                "While the other limits stay, the nearest maximum of memory is 11 GiB.",
                "While the other limits stay, the nearest maximum of run time of chat is 16 s (62.5 tokens/s).",
            ],
            report.Sentences);
    }

    [Fact]
    public void Limit_outside_the_conflict_is_left_out_of_it()
    {
        Choice[] layer = [new("a", 0, [1, 8, 1]), new("b", 0, [8, 1, 1])];
        var problem = new SearchProblem([layer, layer], [new("first", 8), new("second", 8), new("third", 2)]);
        InfeasibilityReport report = Infeasibility.Explain(problem);
        Assert.Equal(["first", "second"], report.Limits.Where(limit => limit.IsInConflict).Select(limit => limit.Resource.Name));
        Assert.All(report.Limits, limit => Assert.True(limit.CanBeMetAlone));
        Assert.Equal("Each limit can be met alone, but not together: first of at most 8 and second of at most 8.", report.Sentences[0]);
    }

    [Fact]
    public void Unreachable_minimum_and_too_little_diversity_are_named()
    {
        Choice[] free = [new("a", 0, [1]), new("b", 1, [2])];
        Choice[] pinned = [new("a", 0, [1])];
        var minimum = new SearchProblem([free, pinned], [new("parameters", Minimum: 5) { Unit = ResourceUnit.Parameters }]);
        Assert.Equal(
            "No selection meets parameters of at least 5 parameters: the most that can be reached is 3 parameters.",
            Infeasibility.Explain(minimum).Sentences[0]);
        var diverse = new SearchProblem([free, pinned], [new("size")], [new DiversityCut([0, 0], 0)]);
        Assert.Equal(
            "No selection meets number of layers equal to earlier solution 1 of at most 0: the least that can be reached is 1.",
            Infeasibility.Explain(diverse).Sentences[0]);
    }

    [Fact]
    public void Nearest_values_are_those_of_visiting_every_selection()
    {
        int checkedLimits = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            SearchProblem problem = RandomProblems.Small(seed);
            InfeasibilityReport report = Infeasibility.Explain(problem);
            Assert.Equal(double.IsPositiveInfinity(BruteForce.Best(problem)), report.Status == SearchStatus.Infeasible);
            foreach (LimitReport limit in report.Limits)
            {
                checkedLimits++;
                int resource = problem.Resources.ToList().FindIndex(candidate => candidate.Name == limit.Resource.Name);
                Resource[] resources = [.. problem.Resources];
                resources[resource] = limit.IsMaximum
                    ? resources[resource] with { Maximum = double.PositiveInfinity }
                    : resources[resource] with { Minimum = double.NegativeInfinity };
                SearchProblem others = problem.WithResources(resources);
                double nearest = BruteForce.Extreme(others, resource, limit.IsMaximum);
                Assert.Equal(double.IsInfinity(nearest), limit.Nearest is null);
                Assert.True(limit.IsNearestProven);
                if (limit.Nearest is double value)
                {
                    Assert.Equal(nearest, value, 9);
                }
            }
        }

        Assert.True(checkedLimits > 50, $"only {checkedLimits} limits were checked");
    }

    private static SearchProblem MemoryAndTime(double gibibytes, double seconds)
    {
        Choice[] layer = [new("small and slow", 0, [Gibibyte, 8]), new("large and fast", 0, [8 * Gibibyte, 1])];
        return new SearchProblem(
            [layer, layer],
            [SearchLimits.Memory(gibibytes * Gibibyte, 2 * Gibibyte), SearchLimits.Throughput("chat", 1000 / seconds, 1000)]);
    }
}
