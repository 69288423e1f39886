namespace Tessera.Evaluation;

/// <summary>
/// A ratio of sums of non-negative numbers over independent documents, such as nats a byte, with its 95 % confidence interval.
/// </summary>
/// <remarks>
/// R = Σy / Σx; Var R ≈ n / (n − 1) · Σ(y − R·x)² / (Σx)² (the delta method); the interval is R ± t·√Var with Student's t of
/// n − 1 degrees of freedom. Documents count by their length, so tokens of one document need not be independent.
/// </remarks>
/// <param name="Value">The ratio.</param>
/// <param name="HalfWidth">Half the interval; null where fewer than two documents leave the variation unknown.</param>
public readonly record struct RatioEstimate(double Value, double? HalfWidth)
{
    private static readonly double[] StudentQuantiles =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];

    /// <summary>√Var R; null where fewer than two documents leave the variation unknown.</summary>
    public double? StandardError { get; init; }

    /// <summary>The lower end of the interval, not below 0, or null.</summary>
    public double? Low => HalfWidth is { } half ? Math.Max(0, Value - half) : null;

    /// <summary>The upper end of the interval, or null.</summary>
    public double? High => Value + HalfWidth;

    /// <summary>Σ numerators / Σ denominators.</summary>
    /// <param name="pairs">One numerator and denominator a document.</param>
    /// <exception cref="ArgumentException">The denominators do not sum to a positive number.</exception>
    public static RatioEstimate Of(IReadOnlyCollection<(double Numerator, double Denominator)> pairs)
    {
        double denominator = pairs.Sum(pair => pair.Denominator);
        if (!(denominator > 0))
        {
            throw new ArgumentException("there is nothing to average over");
        }

        double ratio = pairs.Sum(pair => pair.Numerator) / denominator;
        int count = pairs.Count;
        if (count < 2)
        {
            return new RatioEstimate(ratio, null);
        }

        double squares = pairs.Sum(pair => Math.Pow(pair.Numerator - (ratio * pair.Denominator), 2));
        double deviation = Math.Sqrt(squares * count / (count - 1.0));
        return new RatioEstimate(ratio, Student(count - 1) * deviation / denominator) { StandardError = deviation / denominator };
    }

    /// <summary>The 97.5 % quantile of Student's t; beyond the table by the first terms of the Cornish–Fisher expansion.</summary>
    private static double Student(int freedom) => freedom <= StudentQuantiles.Length
        ? StudentQuantiles[freedom - 1]
        : 1.959964 + (2.372271 / freedom) + (2.822498 / ((double)freedom * freedom));
}
