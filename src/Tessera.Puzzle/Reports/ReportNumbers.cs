using System.Globalization;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Reports;

/// <summary>Numbers as the pages of a compression write them.</summary>
internal static class ReportNumbers
{
    /// <summary>What the paper behind the pages is called in a line below a figure.</summary>
    public const string PuzzlePaper = "Puzzle (Bercovich et al., ICML 2025)";

    /// <summary>A number in one of .NET's formats.</summary>
    public static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>Three digits: <c>0.0123</c>, <c>4.4e-6</c>.</summary>
    public static string Digits(double value) => value == 0 ? "0"
        : Math.Abs(value) is < 1e-4 or >= 1e5 ? Number(value, "0.##e0") : Number(value, "G3");

    /// <summary>A mean with its standard error.</summary>
    public static string WithError(double mean, double? error) => error is { } known ? $"{Digits(mean)} ± {Digits(known)}" : Digits(mean);

    /// <inheritdoc cref="WithError(double, double?)" />
    public static string WithError(Estimate estimate) => WithError(estimate.Mean, estimate.StandardError);

    /// <summary>How far a prediction lies from what was found, in percent of the latter.</summary>
    public static string Departure(double predicted, double found) =>
        found == 0 ? "–" : Number(100 * ((predicted / found) - 1), "+0.0;-0.0") + " %";

    /// <summary>Share of right answers with its standard error; a dash where there are no problems.</summary>
    public static string Accuracy(int correct, int problems)
    {
        double share = problems == 0 ? 0 : (double)correct / problems;
        return problems == 0 ? "–" : $"{Number(100 * share, "0.0")} ± {Number(100 * Math.Sqrt(share * (1 - share) / problems), "0.0")} %";
    }
}
