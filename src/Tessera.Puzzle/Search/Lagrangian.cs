namespace Tessera.Puzzle.Search;

/// <summary>Bounds that hold for any non-negative multipliers.</summary>
internal static class Lagrangian
{
    // Far above what summing a few hundred doubles loses, far below any gap of interest.
    private const double RoundingMargin = 1e-14;

    /// <summary>Σᵢ minⱼ (score + λ·cost) − λ·limit over the allowed columns, less a margin for rounding; +∞ if a layer has none.</summary>
    public static double Bound(ReducedProblem problem, bool[] forbidden, ReadOnlySpan<double> multiplier)
    {
        (double bound, double magnitude) = Evaluate(problem, forbidden, multiplier, 1);
        return double.IsPositiveInfinity(bound) ? bound : bound - (RoundingMargin * magnitude);
    }

    /// <summary>Whether Σᵢ minⱼ μ·cost exceeds μ·limit beyond rounding.</summary>
    public static bool ProvesInfeasible(ReducedProblem problem, bool[] forbidden, ReadOnlySpan<double> ray)
    {
        (double excess, double magnitude) = Evaluate(problem, forbidden, ray, 0);
        return excess > 100 * RoundingMargin * magnitude;
    }

    /// <summary>Every layer's least score + λ·cost over the allowed columns, and where it is reached.</summary>
    public static void Minima(
        ReducedProblem problem,
        bool[] forbidden,
        ReadOnlySpan<double> multiplier,
        Span<double> least,
        Span<int> columns)
    {
        for (int layer = 0; layer < problem.LayerCount; layer++)
        {
            least[layer] = Minimum(problem, forbidden, multiplier, 1, layer, out columns[layer]);
        }
    }

    private static (double Value, double Magnitude) Evaluate(
        ReducedProblem problem,
        bool[] forbidden,
        ReadOnlySpan<double> multiplier,
        double scoreWeight)
    {
        double value = 0;
        double magnitude = 0;
        for (int row = 0; row < problem.RowCount; row++)
        {
            value -= multiplier[row] * problem.Limit[row];
            magnitude += Math.Abs(multiplier[row] * problem.Limit[row]);
        }

        for (int layer = 0; layer < problem.LayerCount; layer++)
        {
            double least = Minimum(problem, forbidden, multiplier, scoreWeight, layer, out _);
            value += least;
            magnitude += least;
        }

        return (value, magnitude);
    }

    private static double Minimum(
        ReducedProblem problem,
        bool[] forbidden,
        ReadOnlySpan<double> multiplier,
        double scoreWeight,
        int layer,
        out int best)
    {
        double least = double.PositiveInfinity;
        best = problem.Start[layer];
        for (int column = problem.Start[layer]; column < problem.Start[layer + 1]; column++)
        {
            if (forbidden[column])
            {
                continue;
            }

            double sum = scoreWeight * problem.Score[column];
            ReadOnlySpan<double> costs = problem.Cost.AsSpan(column * multiplier.Length, multiplier.Length);
            for (int row = 0; row < costs.Length; row++)
            {
                sum += multiplier[row] * costs[row];
            }

            if (sum < least)
            {
                (least, best) = (sum, column);
            }
        }

        return least;
    }
}
