using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Fusion;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Reports;

/// <summary>A compression as one self-contained page for a reader who knows the papers and not this program.</summary>
/// <param name="run">What it left.</param>
public sealed class CompressionReport(CompressionRun run)
{
    /// <summary>Writes the page.</summary>
    /// <exception cref="IOException">The file cannot be written; one sentence.</exception>
    public void Save(string path) => Page().Save(path);

    /// <summary>The page.</summary>
    public HtmlReport Page()
    {
        var result = run.Result;
        var report = new HtmlReport(
            "Compression report",
            $"{(run.Tables is { Model.Length: > 0 } tables ? tables.Model + "; " : string.Empty)}{result.Scenario.Label}; targets "
            + string.Join(", ", result.Targets.Select(target => target.Target)));
        SummarySection.Add(report, run);
        BlockSection.Add(report, run);
        ScoreSection.Add(report, run);
        ParetoSection.Add(report, run);
        PredictionSection.Add(report, run);
        RescoringSection.Add(report, result.Rescoring);
        BlockErrorSection.Add(report, run);
        if (run.HasFusion)
        {
            FusionReport.AddFusion(report, result.Fusion, run.Dependency, result.Scenario);
        }

        HealingSection.Add(report, run.Healing, result.Healing);
        PretrainingSection.Add(report, result.Healing?.Pretraining, run.Folder);
        PositionSection.Add(report, result.Healing?.Positions);
        CostSection.Add(report, run);
        LoadSection.Add(report, result);
        TimeSection.Add(report, result);
        ProvenanceSection.Add(report, run);
        return report;
    }
}
