using Tessera.Interop;
using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

/// <summary>COIN-OR CBC against our own search; skipped where the library is not installed.</summary>
public sealed class CbcTests
{
    private static readonly SearchOptions Cbc = new() { Engine = SearchEngine.Cbc };

    public static bool IsInstalled { get; } = NativeLibraries.CbcFile.Load(LibraryFolders.System) is not null;

    [Fact(Skip = "CBC is not installed (Debian: coinor-libcbc3)", SkipUnless = nameof(IsInstalled))]
    public void Small_problems_have_the_optimum_of_visiting_every_selection()
    {
        int infeasible = 0;
        for (int seed = 0; seed < 120; seed++)
        {
            SearchProblem problem = RandomProblems.Small(seed);
            double expected = BruteForce.Best(problem);
            SearchResult result = ExactSolver.Solve(problem, Cbc);
            if (double.IsPositiveInfinity(expected))
            {
                infeasible++;
                Assert.True(result.Status == SearchStatus.Infeasible, $"seed {seed}: {result.Status}");
                continue;
            }

            Assert.True(result.Status == SearchStatus.Optimal, $"seed {seed}: {result.Status}");
            Assert.True(problem.IsFeasible(result.Choice), $"seed {seed}: misses a limit");
            // What it says about itself holds: the optimum lies between its bound and its score.
            Assert.InRange(expected, result.LowerBound - 1e-12, result.Score + 1e-9);
            Assert.InRange(result.Score - expected, -1e-9, 1e-5 * (1 + Math.Abs(expected)));
        }

        Assert.InRange(infeasible, 5, 90);
    }

    [Fact(Skip = "CBC is not installed (Debian: coinor-libcbc3)", SkipUnless = nameof(IsInstalled))]
    public void Both_engines_agree_within_the_printed_gaps()
    {
        for (int seed = 0; seed < 6; seed++)
        {
            SearchProblem problem = RandomProblems.PuzzleLike(seed, 24, 12, 2, 0.5, 0.1);
            SearchResult ours = ExactSolver.Solve(problem);
            SearchResult theirs = ExactSolver.Solve(problem, Cbc);
            Assert.Equal((SearchStatus.Optimal, SearchStatus.Optimal), (ours.Status, theirs.Status));
            Assert.InRange(ours.Score, theirs.LowerBound, theirs.Score + (1e-9 * theirs.Score));
            Assert.InRange(theirs.Score, ours.LowerBound, ours.Score * (1 + theirs.Gap + 1e-9));
            Assert.InRange(theirs.Gap, 0, 1e-5);
            Assert.Equal(ours.RootBound, theirs.RootBound, 1e-9 * ours.RootBound);
            Assert.Equal(ours.ShadowPrices, theirs.ShadowPrices);
        }
    }

    [Fact(Skip = "CBC is not installed (Debian: coinor-libcbc3)", SkipUnless = nameof(IsInstalled))]
    public void A_planted_optimum_of_80_layers_54_variants_3_limits_is_found()
    {
        (SearchProblem problem, int[] planted) = RandomProblems.Planted(1, 80, 54, 3);
        SearchResult result = ExactSolver.Solve(problem, Cbc);
        Assert.Equal(problem.ScoreOf(planted), result.Score, 1e-6 * Math.Abs(result.Score));
        Assert.InRange(result.Gap, 0, 1e-5);
        Assert.True(problem.IsFeasible(result.Choice));
    }

    [Fact(Skip = "CBC is not installed (Debian: coinor-libcbc3)", SkipUnless = nameof(IsInstalled))]
    public void Earlier_solutions_are_kept_away_from_and_a_short_time_still_gives_a_bound()
    {
        SearchProblem problem = RandomProblems.PuzzleLike(12, 40, 8, 2, 0.6, 0.1);
        IReadOnlyList<SearchResult> ours = DiverseSearch.Solve(problem, 2, 0.8);
        IReadOnlyList<SearchResult> theirs = DiverseSearch.Solve(problem, 2, 0.8, Cbc);
        Assert.Equal(2, theirs.Count);
        Assert.InRange(theirs[1].Choice.Where((choice, layer) => choice == theirs[0].Choice[layer]).Count(), 0, 32);
        Assert.Equal(ours[1].Score, theirs[1].Score, 1e-4 * ours[1].Score);
        SearchResult early = ExactSolver.Solve(RandomProblems.PuzzleLike(1, 80, 54, 3, 0.5, 0.1), Cbc with { TimeLimit = TimeSpan.FromSeconds(1) });
        Assert.True(early.LowerBound >= early.RootBound && early.LowerBound <= early.Score);
    }
}
