using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Training.Data.Blends;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// Continued pre-training of a healed child: next-token training on data of its own, as Ultra-253B got behind its distillation (88 billion
/// tokens after 65 billion), with a share of KL from the parent where that is wanted. A stage of its own.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">Parent and data.</param>
/// <param name="settings">Length, rate, losses.</param>
/// <param name="layerMap">For every layer of the child the parent's layer whose output it follows.</param>
/// <param name="memory">Most bytes of the device's memory while the child is compared with its parent; null for the usual.</param>
internal sealed class Pretraining(
    Device device, CompressionInputs inputs, PretrainingSettings settings, IReadOnlyList<int> layerMap, long? memory)
{
    /// <summary>Trains to the last step; killed and started again, it goes on and ends with the same bits.</summary>
    /// <param name="stage">Where checkpoint, metrics and what was measured before are kept.</param>
    /// <param name="child">The healed child in f32; it is changed.</param>
    public PretrainingFindings Run(RunFolder stage, Decoder child)
    {
        var data = inputs.Healing.Pretraining ?? throw new InvalidOperationException("continued pre-training needs data");
        using var record = RecordedTable.Open(stage.PathOf("before.jsonl"));
        Estimate? divergence = inputs.HeldOut.Count == 0
            ? null
            : record.GetOrAdd("divergence", PuzzleJson.Default.Estimate, () => Divergence(child));
        using var trainer = new Trainer(
            device, child, settings.Training, settings.Weights, data.Documents, settings.Weights.NeedsTeacher ? inputs.Parent.Whole : null, layerMap);
        double? before = data.HeldOut.Count == 0
            ? null
            : record.GetOrAdd("loss", PuzzleJson.Default.Double, () => trainer.Validate(data.HeldOut).CrossEntropy);
        var run = new TrainingRun(trainer, stage.FullPath, stage.Manifest.Hash, new TrainingIntervals(settings.Interval, settings.Interval, 1))
        {
            Validation = data.HeldOut,
        };
        var last = run.Run(new ProgressOptions { Label = "pretrain", Unit = "steps" });
        string metrics = stage.PathOf("metrics.jsonl");
        long tokens = TrainedTokens.Count(metrics, 0, trainer.Steps);
        stage.MarkComplete();
        return new PretrainingFindings
        {
            Steps = trainer.Steps,
            Tokens = tokens,
            Sources = data.Documents is BlendSource blend
                ? [.. blend.UsesBefore(trainer.NextDocument).Select(use => new SourceUse(use.Name, use.Documents, use.Tokens))]
                : [new SourceUse("data", trainer.NextDocument, tokens)],
            LossBefore = before,
            LossAfter = data.HeldOut.Count == 0 ? null : last.CrossEntropy,
            DivergenceBefore = divergence,
            Metrics = Path.Combine(Path.GetFileName(stage.FullPath), "metrics.jsonl"),
        };
    }

    private Estimate Divergence(Decoder child)
    {
        using var steps = new CalibrationSteps(device, inputs.HeldOut);
        return new ModelScorer(device, inputs.Parent.Parts, steps, memory).Score([new ResidentParts(child)])[0];
    }
}
