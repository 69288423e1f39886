namespace Tessera.Evaluation.Statistics;

/// <summary>A share of successes in independent trials with its 95 % interval.</summary>
/// <remarks>
/// Wilson's score interval: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n), z = 1.959964. Unlike p ± z·√(p(1−p)/n) it
/// holds for few trials and for shares near 0 and 1 (Wilson 1927).
/// </remarks>
/// <param name="Successes">Successes.</param>
/// <param name="Trials">Trials.</param>
public readonly record struct Proportion(long Successes, long Trials)
{
    private const double Z = NormalQuantile.TwoSided95;

    /// <summary>The share; 0 without trials.</summary>
    public double Value => Trials == 0 ? 0 : (double)Successes / Trials;

    /// <summary>Lower end of the interval.</summary>
    public double Low => Trials == 0 ? 0 : Math.Max(0, Centre - Half);

    /// <summary>Upper end of the interval.</summary>
    public double High => Trials == 0 ? 1 : Math.Min(1, Centre + Half);

    private double Centre => (Value + (Z * Z / (2 * Trials))) / (1 + (Z * Z / Trials));

    private double Half =>
        Z * Math.Sqrt((Value * (1 - Value) / Trials) + (Z * Z / (4.0 * Trials * Trials))) / (1 + (Z * Z / Trials));
}
