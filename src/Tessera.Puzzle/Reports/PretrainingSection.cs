using System.Globalization;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Fusion;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Reports;

/// <summary>Continued pre-training behind a healing: data, losses, curves.</summary>
internal static class PretrainingSection
{
    private static readonly (string Name, string Key)[] Curves =
        [("training loss", "cross_entropy"), ("validation loss", "validation.cross_entropy"), ("training KL", "divergence")];

    /// <summary>Adds the section, or nothing where there was none.</summary>
    /// <param name="report">The report.</param>
    /// <param name="findings">What is known of it, or null.</param>
    /// <param name="run">Folder of the run.</param>
    public static void Add(HtmlReport report, PretrainingFindings? findings, string run)
    {
        if (findings is null)
        {
            return;
        }

        report.Section("Continued pre-training").Paragraph(string.Create(
            CultureInfo.InvariantCulture,
            $"{findings.Steps} steps on {findings.Tokens:N0} tokens. Cross-entropy on its held-out documents: {Loss(findings.LossBefore)} before, {Loss(findings.LossAfter)} after, nats a token. KL(parent ‖ child) before it: {FusionReport.Text(findings.DivergenceBefore)}."));
        var rows = new ReportTable("source", "documents", "tokens");
        foreach (var source in findings.Sources)
        {
            rows.Add(source.Name, source.Documents, source.Tokens);
        }

        report.Table(rows);
        string metrics = Path.Combine(run, findings.Metrics);
        if (File.Exists(metrics))
        {
            report.Figure(Chart([.. MetricsWriter.Read(metrics)]));
        }
    }

    private static LineChart Chart(IReadOnlyList<MetricsRow> rows) => new()
    {
        Title = "Continued pre-training",
        XLabel = "step",
        YLabel = "nats a token",
        LogY = true,
        Series = [.. Curves.Select(curve => ChartSeries.Of(curve.Name, rows, curve.Key)).Where(series => series.Points.Any(point => point.Y > 0))],
    };

    private static string Loss(double? loss) => loss is { } value ? value.ToString("0.0000", CultureInfo.InvariantCulture) : "–";
}
