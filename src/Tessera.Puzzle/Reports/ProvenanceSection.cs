using System.Globalization;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Reports;

/// <summary>Where everything comes from: stages, hashes, settings, command lines, versions.</summary>
internal static class ProvenanceSection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        if (run.Stages.Count == 0)
        {
            return;
        }

        report.Section("Provenance").Paragraph(
            "Every stage lies in a folder named by the hash of its inputs and settings. The same command with the same inputs finds the same folders and ends with the same bits; "
            + "measured times are recorded inputs of what comes behind them.");
        var stages = new ReportTable("stage", "folder", "state", "begun (UTC)", "took", "version");
        foreach (var (folder, manifest) in run.Stages)
        {
            stages.Add(
                manifest.Stage, Path.GetFileName(folder), manifest.Status == RunStatus.Complete ? "complete" : "begun",
                manifest.StartedUtc.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
                manifest.FinishedUtc is { } end ? HumanUnits.FormatDuration(end - manifest.StartedUtc) : "–", manifest.ToolVersion);
        }

        var values = new ReportTable("stage", "setting or input", "value");
        foreach (var (_, manifest) in run.Stages)
        {
            foreach (var (name, value) in manifest.Settings)
            {
                values.Add(manifest.Stage, name, value);
            }

            foreach (var (name, value) in manifest.Inputs)
            {
                values.Add(manifest.Stage, $"{name} (hash)", value);
            }
        }

        report.Table(stages).Table(values);
        foreach (string command in run.Stages.Select(stage => stage.Manifest.Command).Where(command => command.Length > 0).Distinct())
        {
            report.Paragraph($"Command: {command}");
        }
    }
}
