using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Reports;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Fusion;

/// <summary>
/// Fuses feed-forwards of a model that is on the disk, heals the result where that is asked for, and writes it with a report. Stages
/// have folders of their own, as in a compression.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">The model as parent, and data; without data nothing but time is measured.</param>
/// <param name="settings">What to do.</param>
/// <param name="output">Output folder.</param>
/// <param name="command">The command line, for provenance.</param>
public sealed class FusionPipeline(Device device, CompressionInputs inputs, FusionSettings settings, string output, string command)
{
    private const string Child = "child";

    private readonly PipelineStages _stages = new(inputs, output, command);

    /// <summary>Refuses, from the shapes alone, a model that has nothing to fuse and runs that cannot be.</summary>
    /// <exception cref="ArgumentException">One sentence.</exception>
    public static void EnsureFusible(ModelConfiguration model, FusionRunSettings runs)
    {
        if (FusionRuns.Of(model, runs with { Threshold = null }, null).Count == 0)
        {
            throw new ArgumentException(runs.Blocks is { } blocks
                ? $"the model has no {blocks.Length} neighbouring layers with attention and SwiGLU that can be one layer; --runs chooses layers by hand, and says why not"
                : "the model has no two neighbouring feed-forwards without attention that these settings let fuse; --runs chooses layers by hand");
        }
    }

    /// <summary>Runs what is not complete yet.</summary>
    /// <exception cref="ArgumentException">Nothing can be fused, or a run chosen by hand cannot be.</exception>
    public FusionResult Run()
    {
        EnsureFusible(inputs.Parent.Configuration, settings.Runs);
        Directory.CreateDirectory(output);
        var fusing = new FusionStage(device, inputs, settings.Runs, settings.Scenario, settings.Rounds);
        var stage = _stages.Open("fuse", [], fusing.Identity);
        using var fusion = fusing.Run(inputs.Parent.Whole, stage);
        if (fusion.Comparison is not { } comparison)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"no {(settings.Runs.Blocks is null ? "two feed-forwards of a run" : "neighbouring blocks")} depend on each other by at most {settings.Runs.Threshold}: the dependencies are in {stage.PathOf("dependency.json")}"));
        }

        stage = _stages.Open("heal", fusion.Identity, settings.Healing.Identity);
        var healed = new Healing(device, inputs, settings.Healing, fusion.LayerMap).Run(
            stage, new ResidentParts(fusion.Model), Path.Combine(output, Child), [("tessera.fused_runs", string.Join(',', comparison.Runs))]);
        stage.MarkComplete();
        var result = new FusionResult
        {
            Scenario = settings.Scenario,
            Fusion = comparison,
            HealingSteps = settings.Healing.Steps,
            ChildDivergence = healed.Divergence,
            ChildCorrect = healed.Accuracy?.Correct ?? 0,
            ChildFolder = Child,
            Healing = healed.Findings,
        };
        AtomicFile.WriteAllText(Path.Combine(output, "result.json"), JsonSerializer.Serialize(result, PuzzleJson.Default.FusionResult));
        Report(fusion, result, stage.PathOf("metrics.jsonl"));
        return result;
    }

    private void Report(FusionOutcome fusion, FusionResult result, string metrics)
    {
        var report = new HtmlReport("Fusion report", $"{settings.Scenario.Label}; runs {string.Join(", ", result.Fusion.Runs)}");
        FusionReport.AddFusion(report, fusion, settings.Scenario);
        if (result.ChildDivergence is not null)
        {
            report.Section("The written child").Paragraph(FormattableString.Invariant(
                $"After {result.HealingSteps} steps of healing and stored in {settings.Healing.Storage.Label()}: KL from the model as it was {FusionReport.Text(result.ChildDivergence)} nats a token."));
        }

        HealingSection.Add(report, File.Exists(metrics) ? MetricsWriter.Read(metrics) : [], result.Healing);
        PretrainingSection.Add(report, result.Healing?.Pretraining, output);
        PositionSection.Add(report, result.Healing?.Positions);
        report.Save(Path.Combine(output, "report.html"));
    }
}
