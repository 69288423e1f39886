using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Compression;

/// <summary>The curves of a healing in a report.</summary>
internal static class HealingChart
{
    /// <summary>Adds the section, or nothing where no healing was run.</summary>
    /// <param name="report">The report.</param>
    /// <param name="metrics">The healing's metrics file.</param>
    public static void AddTo(HtmlReport report, string metrics)
    {
        if (!File.Exists(metrics))
        {
            return;
        }

        var rows = MetricsWriter.Read(metrics).ToList();
        ChartSeries Series(string name, string key) => new(
            name, [.. rows.Where(row => row.Values.ContainsKey(key)).Select(row => ((double)row.Step, row.Values[key]))]);
        var series = new[] { Series("training KL", "divergence"), Series("validation KL", "validation.divergence"), Series("training 1-cos", "cosine") };
        report.Section("Healing").Figure(new LineChart
        {
            Title = "Global distillation",
            XLabel = "step",
            YLabel = "nats a token, 1-cos",
            LogY = true,
            Series = [.. series.Where(s => s.Points.Any(point => point.Y > 0))],
        });
    }
}
