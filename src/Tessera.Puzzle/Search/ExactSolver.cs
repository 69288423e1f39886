using System.Diagnostics;

namespace Tessera.Puzzle.Search;

/// <summary>
/// Solves the grouped knapsack of <see cref="SearchProblem"/> with a proof: Lagrangian bound, columns discarded by reduced
/// cost, exchange heuristics, then branch and bound.
/// </summary>
/// <remarks>
/// The result depends on the problem and the options alone unless the time limit strikes. Scores closer than 10⁻¹⁰ of the
/// median layer's score range count as equal.
/// </remarks>
public static class ExactSolver
{
    private const int Rounds = 3;

    /// <summary>Finds the best solution, or proves that there is none.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="options">When to stop, and with which program to solve.</param>
    /// <exception cref="DllNotFoundException">The options ask for CBC, and it is not installed.</exception>
    public static SearchResult Solve(SearchProblem problem, SearchOptions? options = null)
    {
        options ??= new SearchOptions();
        if (options.Engine == SearchEngine.Cbc)
        {
            return CbcSolver.Solve(problem, options);
        }

        var clock = Stopwatch.StartNew();
        var incumbent = new Incumbent(problem, options.GapTolerance);
        ReducedProblem reduced = ReducedProblem.Create(problem);
        var simplex = new DualSimplex(reduced);
        simplex.StartFromScores();
        if (!simplex.Solve(double.PositiveInfinity))
        {
            return SearchResult.Of(problem, incumbent, double.PositiveInfinity, double.PositiveInfinity, [], 0, clock.Elapsed, false);
        }

        double rootBound = simplex.Bound;
        double offset = reduced.ScoreOffset;
        double[] prices = ShadowPrices(reduced, simplex.Multiplier);
        OfferStart(reduced, incumbent, options.Start);
        double pruned = double.PositiveInfinity;
        ReducedProblem core = Tighten(reduced, simplex, incumbent, ref pruned);
        double lower = pruned;
        long nodes = 0;
        bool isComplete = true;
        if (core.LayerCount == reduced.LayerCount && HasEveryLayer(core))
        {
            var tree = new TreeSearch(core, incumbent, pruned);
            tree.Run(clock, options);
            lower = Math.Min(tree.PrunedBound, tree.OpenBound);
            nodes = tree.Nodes;
            isComplete = double.IsPositiveInfinity(tree.OpenBound);
        }

        lower = Math.Max(lower, rootBound);
        return SearchResult.Of(problem, incumbent, lower + offset, rootBound + offset, prices, nodes, clock.Elapsed, !isComplete);
    }

    private static bool HasEveryLayer(ReducedProblem core)
    {
        for (int layer = 0; layer < core.LayerCount; layer++)
        {
            if (core.Start[layer] == core.Start[layer + 1])
            {
                return false;
            }
        }

        return true;
    }

    private static void OfferStart(ReducedProblem reduced, Incumbent incumbent, int[]? start)
    {
        if (start is null)
        {
            return;
        }

        if (start.Length != reduced.LayerCount)
        {
            throw new ArgumentException($"the start has {start.Length} layers, the problem {reduced.LayerCount}", nameof(start));
        }

        incumbent.OfferChoice(reduced, start);
    }

    // Heuristics and column discarding help each other: a better solution leaves fewer columns, fewer columns allow pairs.
    private static ReducedProblem Tighten(ReducedProblem problem, DualSimplex simplex, Incumbent incumbent, ref double pruned)
    {
        for (int round = 0; round < Rounds; round++)
        {
            RootHeuristic.Run(problem, simplex, incumbent, tryPairs: round > 0);
            bool[] dropped = Discardable(problem, simplex, incumbent, ref pruned);
            if (!dropped.Contains(true))
            {
                if (round > 0)
                {
                    break;
                }

                continue;
            }

            problem = problem.Without(dropped);
            if (!HasEveryLayer(problem))
            {
                break;
            }

            simplex = new DualSimplex(problem);
            simplex.StartFromScores();
            if (!simplex.Solve(double.PositiveInfinity))
            {
                break;
            }
        }

        return problem;
    }

    private static bool[] Discardable(ReducedProblem problem, DualSimplex simplex, Incumbent incumbent, ref double pruned)
    {
        var dropped = new bool[problem.ColumnCount];
        var least = new double[problem.LayerCount];
        Lagrangian.Minima(problem, simplex.Forbidden, simplex.Multiplier, least, new int[problem.LayerCount]);
        for (int column = 0; column < dropped.Length; column++)
        {
            double lifted = simplex.Bound + simplex.ReducedCost(column, least[problem.LayerOf[column]]);
            if (lifted >= incumbent.Cutoff)
            {
                dropped[column] = true;
                pruned = Math.Min(pruned, lifted);
            }
        }

        return dropped;
    }

    /// <summary>A price for every resource, in score per unit of cost, from the multipliers of its rows.</summary>
    internal static double[] ShadowPrices(ReducedProblem problem, double[] multiplier)
    {
        var prices = new double[problem.Source.Resources.Count];
        for (int row = 0; row < multiplier.Length; row++)
        {
            if (problem.RowResource[row] >= 0)
            {
                prices[problem.RowResource[row]] += problem.RowSign[row] * multiplier[row] / problem.RowScale[row];
            }
        }

        return prices;
    }
}
