using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

public sealed class ExactSolverTests
{
    [Fact]
    public void Small_problems_are_solved_as_by_visiting_every_selection()
    {
        int infeasible = 0;
        for (int seed = 0; seed < 400; seed++)
        {
            SearchProblem problem = RandomProblems.Small(seed);
            double expected = BruteForce.Best(problem);
            SearchResult result = ExactSolver.Solve(problem);
            if (double.IsPositiveInfinity(expected))
            {
                infeasible++;
                Assert.True(result.Status == SearchStatus.Infeasible, $"seed {seed}: {result.Status} where nothing is feasible");
                continue;
            }

            Assert.True(result.Status == SearchStatus.Optimal, $"seed {seed}: {result.Status}");
            Assert.True(Math.Abs(result.Score - expected) <= 1e-9 * (1 + Math.Abs(expected)), $"seed {seed}: {result.Score} for {expected}");
            Assert.True(result.RootBound <= expected + 1e-9, $"seed {seed}: root bound {result.RootBound} above {expected}");
            Assert.True(result.LowerBound <= expected + 1e-9, $"seed {seed}: bound {result.LowerBound} above {expected}");
            Assert.True(problem.IsFeasible(result.Choice), $"seed {seed}: the solution is not feasible");
        }

        Assert.InRange(infeasible, 20, 300);
    }

    [Fact]
    public void Planted_optimum_of_80_layers_54_variants_3_limits_is_found()
    {
        for (int seed = 0; seed < 5; seed++)
        {
            (SearchProblem problem, int[] planted) = RandomProblems.Planted(seed, 80, 54, 3);
            SearchResult result = ExactSolver.Solve(problem, new SearchOptions { TimeLimit = TimeSpan.FromSeconds(10) });
            Console.Error.WriteLine($"planted {seed}: {result.Status} gap {result.Gap:E2} nodes {result.Nodes} {result.Elapsed.TotalMilliseconds:F0} ms");
            Assert.Equal(planted, result.Choice);
            Assert.Equal(SearchStatus.Optimal, result.Status);
        }
    }

    [Fact]
    public void Probe()
    {
        foreach (int resources in new[] { 1, 2, 3, 4 })
        {
            foreach (double share in new[] { 0.3, 0.5, 0.75 })
            {
                for (int seed = 0; seed < 2; seed++)
                {
                    SearchProblem problem = RandomProblems.PuzzleLike(seed, 80, 54, resources, share, seed * 0.1);
                    SearchResult result = ExactSolver.Solve(problem, new SearchOptions { TimeLimit = TimeSpan.FromSeconds(2) });
                    Console.Error.WriteLine($"{resources} limits share {share} seed {seed}: {result.Status} score {result.Score:F6} bound {result.LowerBound:F6} root {result.RootBound:F6} gap {result.Gap:E2} nodes {result.Nodes} {result.Elapsed.TotalMilliseconds:F0} ms");
                }
            }
        }
    }
}
