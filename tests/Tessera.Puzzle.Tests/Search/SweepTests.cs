using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

public sealed class SweepTests
{
    [Fact]
    public void Sweep_rows_are_the_optimum_at_each_limit_and_fall_as_the_limit_rises()
    {
        SearchProblem problem = RandomProblems.PuzzleLike(11, 6, 5, 2, 0.5, 0.2);
        double[] limits = [4.5, 3.0, -1, 3.5, 6.5];
        IReadOnlyList<ParetoRow> rows = ParetoSweep.Run(problem, 0, limits);
        Assert.Equal(limits, rows.Select(row => row.Limit));
        foreach (ParetoRow row in rows)
        {
            Resource[] resources = [problem.Resources[0] with { Maximum = row.Limit }, problem.Resources[1]];
            Assert.Equal(BruteForce.Best(problem.WithResources(resources)), row.Score, 9);
        }

        double[] ordered = [.. rows.OrderBy(row => row.Limit).Select(row => row.Score)];
        Assert.Equal(ordered.OrderDescending(), ordered);
        Assert.Equal(SearchStatus.Infeasible, rows[2].Result.Status);
    }

    [Fact]
    public void Diverse_solutions_differ_from_all_earlier_ones_and_get_no_better()
    {
        SearchProblem problem = RandomProblems.PuzzleLike(12, 40, 8, 2, 0.6, 0.1);
        IReadOnlyList<SearchResult> results = DiverseSearch.Solve(problem, 3, 0.8);
        Assert.Equal(3, results.Count);
        for (int later = 1; later < results.Count; later++)
        {
            Assert.True(results[later].Score >= results[later - 1].Score - 1e-9);
            for (int earlier = 0; earlier < later; earlier++)
            {
                int equal = results[later].Choice.Where((choice, layer) => choice == results[earlier].Choice[layer]).Count();
                Assert.InRange(equal, 0, 32);
            }
        }
    }

    [Fact]
    public void Diverse_search_ends_where_no_further_solution_exists()
    {
        Choice[] layer = [new("a", 0, [1]), new("b", 1, [1])];
        // Two layers, at most one equal to each earlier solution: only the four selections exist, and all differ.
        Assert.Equal(4, DiverseSearch.Solve(new SearchProblem([layer, layer], [new("size")]), 10, 0.5).Count);
    }
}
