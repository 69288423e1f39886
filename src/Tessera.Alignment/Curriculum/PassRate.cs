using Tessera.Evaluation.Statistics;

namespace Tessera.Alignment.Curriculum;

/// <summary>How often a model solved a prompt.</summary>
/// <param name="Id">The prompt.</param>
/// <param name="Correct">Right responses.</param>
/// <param name="Samples">Independent responses; 0 where the rate was not estimated.</param>
public sealed record PassRate(string Id, int Correct, int Samples)
{
    /// <summary>Llama-Nemotron discards prompts that are solved at least this often: they teach too little.</summary>
    public const double DefaultCeiling = 0.75;

    /// <summary>p = correct / samples; NaN where it was not estimated.</summary>
    public double Rate => (double)Correct / Samples;

    /// <summary>Wilson's 95 % interval of the true rate. With 8 samples it is wide: 6 of 8 says no more than 0.41 to 0.93.</summary>
    public (double Low, double High) Interval
    {
        get
        {
            var proportion = new Proportion(Correct, Samples);
            return (proportion.Low, proportion.High);
        }
    }

    /// <summary>Those that are not known to reach the ceiling; prompts that were never solved are kept.</summary>
    public static List<PassRate> Below(IEnumerable<PassRate> rates, double ceiling = DefaultCeiling) =>
        [.. rates.Where(rate => !(rate.Rate >= ceiling))];
}
