namespace Tessera.Evaluation.Statistics;

/// <summary>A mean over problems with its standard error and 95 % interval.</summary>
/// <remarks>
/// Every problem counts once, with the mean s̄ of its samples: SE = √(Σ(s̄ᵢ − s̄)² / (n(n − 1))). That holds the noise between
/// problems and that of sampling alike. Differences of two models on the same problems are means of differences.
/// Source: Miller 2024 (arXiv 2411.00640).
/// </remarks>
/// <param name="Mean">The mean.</param>
/// <param name="StandardError">Its standard error; 0 for fewer than two problems.</param>
/// <param name="Count">Problems.</param>
public readonly record struct ClusteredMean(double Mean, double StandardError, int Count)
{
    private const double Z = NormalQuantile.TwoSided95;

    /// <summary>Lower end of the interval.</summary>
    public double Low => Mean - (Z * StandardError);

    /// <summary>Upper end of the interval.</summary>
    public double High => Mean + (Z * StandardError);

    /// <summary>The mean of one value a problem.</summary>
    public static ClusteredMean Of(IReadOnlyList<double> values)
    {
        if (values.Count == 0)
        {
            return default;
        }

        double mean = values.Average();
        double squares = values.Sum(value => (value - mean) * (value - mean));
        double error = values.Count < 2 ? 0 : Math.Sqrt(squares / ((double)values.Count * (values.Count - 1)));
        return new ClusteredMean(mean, error, values.Count);
    }

    /// <summary>The mean of left − right, problem by problem.</summary>
    /// <exception cref="ArgumentException">The lists differ in length: they are not of the same problems.</exception>
    public static ClusteredMean OfDifferences(IReadOnlyList<double> left, IReadOnlyList<double> right) =>
        left.Count == right.Count
            ? Of([.. left.Zip(right, (a, b) => a - b)])
            : throw new ArgumentException($"a paired comparison needs the same problems, there are {left.Count} and {right.Count}");
}
