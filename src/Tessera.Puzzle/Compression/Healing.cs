using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
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
    /// <param name="assembled">The child's parts, in f32.</param>
    /// <param name="childFolder">Where it is written.</param>
    /// <param name="provenance">Further strings for the weights' file.</param>
    public HealedChild Run(RunFolder stage, ModelParts assembled, string childFolder, IEnumerable<(string Name, string Value)> provenance)
    {
        // Training needs f32; what is only written is made as it will be stored.
        using (var child = new ModelAssembly(device, settings.Steps > 0 ? DType.F32 : settings.Storage).Load(assembled))
        {
            if (settings.Steps > 0)
            {
                Heal(stage, child);
            }

            ModelFolder.Save(childFolder, child, settings.Storage, inputs.ParentFolder, Provenance(stage, provenance));
        }

        return new HealedChild(Divergence(childFolder), Accuracy(childFolder));
    }

    private Estimate? Divergence(string childFolder)
    {
        if (inputs.HeldOut.Count == 0)
        {
            return null;
        }

        using var steps = new CalibrationSteps(device, inputs.HeldOut);
        using var written = StoredParts.Open(childFolder, target: device);
        var memory = StreamingMemory.Of(device, inputs.Parent.Configuration, steps, settings.Memory, inputs.Parent.Parts.Type);
        return new ModelScorer(device, inputs.Parent.Parts, steps, memory).Score([written])[0];
    }

    private AccuracyResult? Accuracy(string childFolder)
    {
        if (inputs.Accuracy is not { } measure)
        {
            return null;
        }

        using var written = ModelFolder.Load(childFolder, target: device);
        return measure(written);
    }

    private void Heal(RunFolder stage, Decoder child)
    {
        var documents = inputs.Documents ?? throw new InvalidOperationException("healing needs documents");
        using var trainer = new Trainer(
            device, child, settings.Training, settings.Weights, documents, inputs.Parent.Whole, layerMap);
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
