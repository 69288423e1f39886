using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Puzzle.Compression;

/// <summary>KL and accuracy of a healed child; null without the data for it.</summary>
internal sealed record HealedChild(Estimate? Divergence, AccuracyResult? Accuracy);

/// <summary>Global distillation of an assembled child from its parent, and the child's folder.</summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">Parent and data.</param>
/// <param name="settings">Length, losses, storage.</param>
/// <param name="layerMap">For every layer of the child the parent's layer whose output it is to follow.</param>
internal sealed class Healing(Device device, CompressionInputs inputs, HealingSettings settings, IReadOnlyList<int> layerMap)
{
    /// <summary>Heals, writes the child, and evaluates what was written.</summary>
    /// <param name="stage">Where the training is kept.</param>
    /// <param name="assembled">The child, which may share weights with its parent.</param>
    /// <param name="childFolder">Where it is written.</param>
    /// <param name="provenance">Further strings for the weights' file.</param>
    public HealedChild Run(RunFolder stage, Decoder assembled, string childFolder, IEnumerable<(string Name, string Value)> provenance)
    {
        // The child shares weights with parent and library until here; healing changes its own.
        using var child = ModelFolder.Convert(assembled, DType.F32);
        if (settings.Steps > 0)
        {
            Heal(stage, child);
        }

        ModelFolder.Save(childFolder, child, settings.Storage, inputs.ParentFolder, Provenance(stage, provenance));
        using var written = ModelFolder.Load(childFolder, target: device);
        return new HealedChild(Divergence(written), inputs.Accuracy?.Invoke(written));
    }

    private Estimate? Divergence(Decoder written)
    {
        if (inputs.HeldOut.Count == 0)
        {
            return null;
        }

        using var heldOut = new ParentActivations(device, inputs.Parent, inputs.HeldOut);
        using var scorer = new ReplaceOneScorer(device, heldOut);
        // The written child has its own token table in its storage type, so it starts from ids, not from cached states.
        return scorer.ScoreFromTokens(written);
    }

    private void Heal(RunFolder stage, Decoder child)
    {
        var documents = inputs.Documents ?? throw new InvalidOperationException("healing needs documents");
        using var trainer = new Trainer(
            device, child, settings.Training, settings.Weights, documents, inputs.Parent, layerMap);
        var run = new TrainingRun(
            trainer, stage.FullPath, stage.Manifest.Hash, new TrainingIntervals(settings.Interval, settings.Interval, 1))
        {
            Validation = inputs.HeldOut,
        };
        run.Run(new ProgressOptions { Label = "heal", Unit = "steps" });
    }

    private Dictionary<string, string> Provenance(RunFolder stage, IEnumerable<(string Name, string Value)> more) =>
        more.Append(("tessera.parent", inputs.ParentHash)).Append(("tessera.layer_map", string.Join(',', layerMap)))
            .Append(("tessera.healing", stage.Manifest.Hash)).ToDictionary(pair => pair.Item1, pair => pair.Item2);
}
