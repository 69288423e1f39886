namespace Tessera.Alignment.Curriculum;

/// <summary>How often a model solved a prompt.</summary>
/// <param name="Id">The prompt.</param>
/// <param name="Correct">Right responses.</param>
/// <param name="Samples">Independent responses.</param>
public sealed record PassRate(string Id, int Correct, int Samples)
{
    /// <summary>Llama-Nemotron discards prompts that are solved at least this often: they teach too little.</summary>
    public const double DefaultCeiling = 0.75;

    // The 97.5 % quantile of the normal distribution.
    private const double Quantile = 1.959963984540054;

    /// <summary>p = correct / samples.</summary>
    public double Rate => (double)Correct / Samples;

    /// <summary>
    /// Wilson's 95 % interval of the true rate: (p + z²/2n ± z·sqrt(p(1 − p)/n + z²/4n²)) / (1 + z²/n). With 8 samples it is
    /// wide: 6 of 8 says no more than 0.41 to 0.93.
    /// </summary>
    public (double Low, double High) Interval
    {
        get
        {
            double n = Samples, p = Rate, square = Quantile * Quantile;
            double centre = p + (square / (2 * n));
            double half = Quantile * Math.Sqrt((p * (1 - p) / n) + (square / (4 * n * n)));
            return (Math.Max(0, (centre - half) / (1 + (square / n))), Math.Min(1, (centre + half) / (1 + (square / n))));
        }
    }

    /// <summary>Those below the ceiling; prompts that were never solved are kept.</summary>
    public static List<PassRate> Below(IEnumerable<PassRate> rates, double ceiling = DefaultCeiling) =>
        [.. rates.Where(rate => rate.Rate < ceiling)];
}
