namespace Tessera.Puzzle.Costs;

/// <summary>Quantiles of samples.</summary>
internal static class Quantile
{
    /// <summary>The value below which a share of the samples lies, on the line between the two nearest of them.</summary>
    public static double Of(IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        double position = share * (sorted.Length - 1);
        int lower = (int)position;
        int upper = Math.Min(lower + 1, sorted.Length - 1);
        return sorted[lower] + ((position - lower) * (sorted[upper] - sorted[lower]));
    }

    /// <summary>Half the interquartile range.</summary>
    public static double Spread(IReadOnlyCollection<double> values) => (Of(values, 0.75) - Of(values, 0.25)) / 2;
}
