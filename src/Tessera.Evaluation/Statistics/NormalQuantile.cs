namespace Tessera.Evaluation.Statistics;

/// <summary>Quantiles of the standard normal distribution.</summary>
internal static class NormalQuantile
{
    /// <summary>z with P(|Z| ≤ z) = 0.95: half the width of a 95 % interval in standard errors.</summary>
    public const double TwoSided95 = 1.959963984540054;
}
