using Tessera.Puzzle.Compression;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>Where a run's time went.</summary>
internal static class TimeSection
{
    /// <summary>Adds the section, or nothing for a result of an earlier version.</summary>
    public static void Add(HtmlReport report, CompressionResult result)
    {
        if (result.Stages is not { Count: > 0 } stages)
        {
            return;
        }

        report.Section("Time").Paragraph("Each stage from the end of the one before; where several processes share a stage, the jobs are those of all.");
        var rows = new ReportTable("stage", "seconds", "jobs", "seconds in jobs", "peak memory of this process");
        foreach (var stage in stages)
        {
            rows.Add(stage.Stage, Number(stage.Seconds, "N1"), stage.Jobs, Number(stage.JobSeconds, "N1"), Runs.HumanUnits.FormatBytes(stage.PeakBytes));
        }

        report.Table(rows);
        if (result.Projection is { } all)
        {
            report.Paragraph(
                $"The library of all {all.Layers} layers, by {all.TimedLayers} that were timed: {Number(all.Seconds / 60, "N1")} ± {Number(all.StandardError / 60, "N1")} minutes.");
        }
    }
}
