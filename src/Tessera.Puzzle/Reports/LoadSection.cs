using Tessera.Puzzle.Compression;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>Parent and child in further loads, predicted and measured.</summary>
internal static class LoadSection
{
    /// <summary>Adds the section, or nothing where no further load was asked for.</summary>
    public static void Add(HtmlReport report, CompressionResult result)
    {
        if (result.Loads is not { Count: > 0 } loads)
        {
            return;
        }

        report.Section("Further loads").Paragraph(
            "Generated tokens a second, the time of the prompts included: by the sums of block costs, and measured on the whole model.");
        var rows = new ReportTable("load", "scenario", "model", "predicted", "measured", "error", "times the parent");
        foreach (var load in loads)
        {
            double parent = loads.First(other => other.Load == load.Load).Throughput;
            rows.Add(
                load.Load, load.Scenario.Label, load.Model, Number(load.PredictedThroughput, "N1"), Number(load.Throughput, "N1"),
                Departure(load.PredictedThroughput, load.Throughput), Number(load.Throughput / parent, "0.00"));
        }

        report.Table(rows);
    }
}
