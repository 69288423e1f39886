using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

public sealed class BaselineTests
{
    [Fact]
    public void Baselines_meet_the_limits_and_never_beat_the_exact_search()
    {
        int found = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            SearchProblem problem = RandomProblems.Small(seed);
            double best = BruteForce.Best(problem);
            BaselineResult?[] baselines =
                [GreedySearch.Solve(problem), UniformSearch.Solve(problem), ParameterMaximisation.Solve(problem, 0)];
            foreach (BaselineResult baseline in baselines.OfType<BaselineResult>())
            {
                found++;
                Assert.True(problem.IsFeasible(baseline.Choice), $"seed {seed}");
                Assert.True(baseline.Score >= best - 1e-9, $"seed {seed}: {baseline.Score} beats {best}");
                Assert.Equal(problem.ScoreOf(baseline.Choice), baseline.Score);
                Assert.Equal(problem.TotalsOf(baseline.Choice), baseline.Totals);
            }
        }

        Assert.True(found > 200, $"only {found} baselines were found");
    }

    [Fact]
    public void Greedy_visits_easy_layers_first_and_rolls_the_surplus_forward()
    {
        // Shares of 12 over three layers: the easiest layer (mean 0.25) has 4 and takes the variant of cost 3; the next
        // (mean 0.6) has 9 / 2 = 4.5 and takes 2; the hardest has 7 left and can afford its parent of cost 7.
        Choice[] hard = [new("parent", 0, [7]), new("small", 9, [1])];
        Choice[] easy = [new("parent", 0, [5]), new("half", 0.25, [3]), new("small", 0.5, [1])];
        Choice[] middle = [new("parent", 0, [5]), new("half", 0.6, [2]), new("small", 1.2, [1])];
        BaselineResult? result = GreedySearch.Solve(new SearchProblem([hard, easy, middle], [new Resource("size", 12)]));
        Assert.NotNull(result);
        Assert.Equal([0, 1, 1], result.Choice);
        Assert.Equal(0.85, result.Score, 12);
        Assert.Equal(12, result.Totals[0]);
    }

    [Fact]
    public void Greedy_keeps_within_every_resource_and_fails_openly_where_it_cannot()
    {
        Choice[] layer = [new("fast", 0.1, [5, 1]), new("small", 0.2, [1, 5]), new("even", 0.9, [3, 3])];
        Resource[] limits = [new("memory", 6), new("time", 6)];
        BaselineResult? result = GreedySearch.Solve(new SearchProblem([layer, layer], limits));
        Assert.Equal([2, 2], result?.Choice ?? []);
        Assert.Null(GreedySearch.Solve(new SearchProblem([layer, layer], [new("memory", 1), new("time", 6)])));
    }

    [Fact]
    public void Parameter_maximisation_keeps_the_most_parameters_whatever_the_scores()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            SearchProblem problem = RandomProblems.Small(seed);
            BaselineResult? result = ParameterMaximisation.Solve(problem, 0, new SearchOptions());
            double most = BruteForce.Extreme(problem, 0, isLeast: false);
            Assert.Equal(double.IsNegativeInfinity(most), result is null);
            if (result is not null)
            {
                Assert.Equal(most, result.Totals[0], 9);
            }
        }
    }

    [Fact]
    public void Uniform_takes_the_best_variant_that_fits_everywhere_and_leaves_pinned_layers()
    {
        Choice[] pinned = [new("embedding-like", 0.5, [4])];
        Choice[] one = [new("parent", 0, [10]), new("half", 1, [5]), new("none", 3, [0]), new("odd", -9, [0])];
        Choice[] two = [new("none", 2, [0]), new("parent", 0, [10]), new("half", 3, [5])];
        var problem = new SearchProblem([pinned, one, two], [new Resource("size", 14)]);
        Assert.Equal([0, 1, 2], UniformSearch.Solve(problem)?.Choice ?? []);
        Assert.Equal([0, 2, 0], UniformSearch.Solve(problem.WithResources([new Resource("size", 13)]))?.Choice ?? []);
        Assert.Null(UniformSearch.Solve(problem.WithResources([new Resource("size", 3)])));
    }
}
