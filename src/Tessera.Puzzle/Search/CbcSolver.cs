using System.Diagnostics;
using System.Globalization;
using System.Text;
using Tessera.Interop;

namespace Tessera.Puzzle.Search;

/// <summary>Solves the same problem as <see cref="ExactSolver"/> with COIN-OR CBC, as the mixed-integer program that it is.</summary>
/// <remarks>
/// <code>
/// min Σ score·x   with   Σ x of a layer = 1,   Σ cost·x ≤ limit,   x ∈ {0, 1}
/// </code>
/// Scores and costs are those of the reduced problem: dominated variants left out, minima at zero, rows scaled. CBC decides with
/// tolerances of its own, so scores are scaled to sum to about a thousand, its bound is loosened by 10⁻⁶ of itself and 10⁻⁷ a layer,
/// and a solution that misses a limit within them is repaired.
/// Shadow prices and the root bound are those of our relaxation.
/// </remarks>
internal static unsafe class CbcSolver
{
    private const double BoundTolerance = 1e-6;
    private const double DualTolerance = 1e-7;
    private const double ScaledScore = 1e3;
    private const double LargestScore = 1e9;

    /// <summary>Solves.</summary>
    /// <exception cref="DllNotFoundException">CBC is not installed; the message names what was tried.</exception>
    public static SearchResult Solve(SearchProblem problem, SearchOptions options)
    {
        var clock = Stopwatch.StartNew();
        var incumbent = new Incumbent(problem, options.GapTolerance);
        var reduced = ReducedProblem.Create(problem);
        var relaxation = new DualSimplex(reduced);
        relaxation.StartFromScores();
        if (!relaxation.Solve(double.PositiveInfinity))
        {
            return SearchResult.Of(problem, incumbent, double.PositiveInfinity, double.PositiveInfinity, [], 0, clock.Elapsed, false);
        }

        double root = relaxation.Bound;
        if (options.Start is { } start)
        {
            incumbent.OfferChoice(reduced, start);
        }

        double scale = Scale(reduced, root);
        var answer = Run(reduced, options, scale);
        if (answer.Columns is { } columns && !incumbent.Offer(reduced, columns))
        {
            Repair(reduced, columns, relaxation.Multiplier, incumbent);
        }

        double loosened = ((1 - BoundTolerance) * answer.Bound) - (DualTolerance * reduced.LayerCount / scale);
        double lower = answer.IsInfeasible && !incumbent.Exists ? double.PositiveInfinity : Math.Max(loosened, root);
        return SearchResult.Of(
            problem, incumbent, lower + reduced.ScoreOffset, root + reduced.ScoreOffset, ExactSolver.ShadowPrices(reduced, relaxation.Multiplier),
            answer.Nodes, clock.Elapsed, !answer.IsOptimal && !answer.IsInfeasible);
    }

    private static void Repair(ReducedProblem problem, int[] columns, double[] multiplier, Incumbent incumbent)
    {
        var swaps = new SwapSearch(problem);
        swaps.Load(columns);
        if (swaps.Repair(multiplier))
        {
            swaps.ImproveSingles();
            incumbent.Offer(problem, swaps.Columns);
        }
    }

    /// <summary>A factor that makes the relaxation's value about a thousand and no single score larger than CBC can tell apart.</summary>
    private static double Scale(ReducedProblem problem, double root)
    {
        double largest = problem.Score.Length > 0 ? problem.Score.Max() : 0;
        double wanted = root > 0 ? ScaledScore / root : ScaledScore / problem.ScoreRange;
        return Math.Min(wanted, largest > 0 ? LargestScore / largest : wanted);
    }

    private static Answer Run(ReducedProblem problem, SearchOptions options, double scale)
    {
        nint model = Cbc.NewModel();
        try
        {
            Load(model, problem, scale);
            Set(model, "logLevel", "0");
            Set(model, "timeMode", "elapsed");
            Set(model, "seconds", Text(Math.Max(0.01, options.TimeLimit.TotalSeconds)));
            Set(model, "ratioGap", Text(options.GapTolerance));
            Set(model, "allowableGap", Text(0));
            // A solution must be better than the best by this much to be looked for: as little as ties are told apart by.
            Set(model, "increment", Text(Incumbent.TieShare * problem.ScoreRange * scale));
            Set(model, "primalTolerance", "1e-9");
            Set(model, "integerTolerance", "1e-9");
            if (options.NodeLimit < int.MaxValue)
            {
                Set(model, "maxNodes", options.NodeLimit.ToString(CultureInfo.InvariantCulture));
            }

            Cbc.SetLogLevel(model, 0);
            _ = Cbc.Solve(model);
            bool isInfeasible = Cbc.IsProvenInfeasible(model) != 0 || Cbc.IsRelaxationInfeasible(model) != 0;
            double* best = isInfeasible ? null : Cbc.BestSolution(model);
            return new Answer(
                best == null ? null : Columns(problem, best), Cbc.BestPossibleObjective(model) / scale, Cbc.NodeCount(model),
                best != null && Cbc.IsProvenOptimal(model) != 0, isInfeasible);
        }
        finally
        {
            Cbc.DeleteModel(model);
        }
    }

    private static int[] Columns(ReducedProblem problem, double* values)
    {
        var columns = new int[problem.LayerCount];
        for (int layer = 0; layer < columns.Length; layer++)
        {
            int best = problem.Start[layer];
            for (int column = best; column < problem.Start[layer + 1]; column++)
            {
                best = values[column] > values[best] ? column : best;
            }

            columns[layer] = best;
        }

        return columns;
    }

    private static void Load(nint model, ReducedProblem problem, double scale)
    {
        int perColumn = problem.RowCount + 1;
        var start = new int[problem.ColumnCount + 1];
        var index = new int[problem.ColumnCount * perColumn];
        var value = new double[index.Length];
        for (int column = 0; column < problem.ColumnCount; column++)
        {
            int at = start[column];
            (index[at], value[at]) = (problem.LayerOf[column], 1);
            for (int row = 0; row < problem.RowCount; row++)
            {
                (index[at + 1 + row], value[at + 1 + row]) = (problem.LayerCount + row, problem.Cost[(column * problem.RowCount) + row]);
            }

            start[column + 1] = at + perColumn;
        }

        double[] lower = [.. Enumerable.Repeat(1.0, problem.LayerCount), .. Enumerable.Repeat(double.NegativeInfinity, problem.RowCount)];
        double[] upper = [.. Enumerable.Repeat(1.0, problem.LayerCount), .. problem.Limit];
        double[] zeros = new double[problem.ColumnCount];
        double[] objective = [.. problem.Score.Select(score => score * scale)];
        double[] ones = [.. Enumerable.Repeat(1.0, problem.ColumnCount)];
        fixed (int* starts = start, indices = index)
        fixed (double* values = value, none = zeros, all = ones, scores = objective, low = lower, high = upper)
        {
            Cbc.LoadProblem(model, problem.ColumnCount, lower.Length, starts, indices, values, none, all, scores, low, high);
        }

        for (int column = 0; column < problem.ColumnCount; column++)
        {
            Cbc.SetInteger(model, column);
        }
    }

    private static void Set(nint model, string name, string value)
    {
        fixed (byte* key = Encoding.ASCII.GetBytes(name + '\0'), text = Encoding.ASCII.GetBytes(value + '\0'))
        {
            Cbc.SetParameter(model, key, text);
        }
    }

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private sealed record Answer(int[]? Columns, double Bound, long Nodes, bool IsOptimal, bool IsInfeasible);
}
