using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Puzzle.Compression;

/// <summary>KL and accuracy of a healed child.</summary>
internal sealed record HealedChild(Estimate Divergence, AccuracyResult? Accuracy);

/// <summary>Global distillation of an assembled child from its parent, and the child's folder.</summary>
internal sealed class Healing(
    Device device, CompressionInputs inputs, CompressionSettings settings, ModelConfiguration shape, BlockLibrary library)
{
    /// <summary>Heals, writes the child, and evaluates what was written.</summary>
    public HealedChild Run(RunFolder stage, string childFolder)
    {
        using var assembled = library.Assemble(shape);
        // The child shares weights with parent and library until here; healing changes its own.
        using var child = ModelFolder.Convert(assembled, DType.F32);
        if (settings.Healing.Schedule.TotalSteps > 0)
        {
            Heal(stage, child);
        }

        ModelFolder.Save(childFolder, child, settings.Scenario.Type, inputs.ParentFolder, Provenance(stage));
        using var written = ModelFolder.Load(childFolder, target: device);
        using var heldOut = new ParentActivations(device, inputs.Parent, inputs.HeldOut);
        using var scorer = new ReplaceOneScorer(device, heldOut);
        // The written child has its own token table in its storage type, so it starts from ids, not from cached states.
        return new HealedChild(scorer.ScoreFromTokens(written), inputs.Accuracy?.Invoke(written));
    }

    private void Heal(RunFolder stage, Decoder child)
    {
        using var trainer = new Trainer(
            device, child, settings.Healing, settings.HealingWeights, inputs.Documents, inputs.Parent);
        var run = new TrainingRun(
            trainer, stage.FullPath, stage.Manifest.Hash,
            new TrainingIntervals(settings.HealingInterval, settings.HealingInterval, 1))
        {
            Validation = inputs.HeldOut,
        };
        run.Run(new ProgressOptions { Label = "heal", Unit = "steps" });
    }

    private Dictionary<string, string> Provenance(RunFolder stage) => new()
    {
        ["tessera.parent"] = inputs.ParentHash,
        ["tessera.layer_map"] = string.Join(',', Enumerable.Range(0, shape.Layers.Length)),
        ["tessera.healing"] = stage.Manifest.Hash,
        ["tessera.targets"] = string.Join("; ", settings.Targets.Select(target => target.Text)),
    };
}
