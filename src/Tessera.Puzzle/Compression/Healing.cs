using System.Globalization;
using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Compression;

/// <summary>KL and accuracy of a healed child, null without the data for it; what else is known where more was asked for.</summary>
internal sealed record HealedChild(Estimate? Divergence, AccuracyResult? Accuracy, HealingFindings? Findings);

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
    /// <param name="pretraining">Where continued pre-training is kept; null for none.</param>
    public HealedChild Run(
        RunFolder stage, ModelParts assembled, string childFolder, IEnumerable<(string Name, string Value)> provenance, RunFolder? pretraining = null)
    {
        var findings = new HealingFindings { Phases = [] };
        bool trains = settings.Steps > 0 || pretraining is not null;
        // Training needs f32; what is only written is made as it will be stored.
        using (var child = new ModelAssembly(device, trains ? DType.F32 : settings.Storage).Load(assembled))
        {
            if (settings.Steps > 0)
            {
                findings = findings with { Phases = Heal(stage, child) };
            }

            if (pretraining is not null)
            {
                findings = findings with { Pretraining = new Pretraining(device, inputs, settings.Pretraining!, layerMap, settings.Memory).Run(pretraining, child) };
            }

            ModelFolder.Save(childFolder, child, settings.Storage, inputs.ParentFolder, Provenance(stage, provenance, pretraining));
        }

        var course = settings.Course;
        if (course.TestLength > 0)
        {
            findings = findings with { Positions = Positions(childFolder, course.TestLength) };
        }

        bool hasMore = course.Lengths.Count > 0 || course.Patience > 0 || course.TestLength > 0 || pretraining is not null;
        return new HealedChild(Divergence(childFolder), Accuracy(childFolder), hasMore ? findings : null);
    }

    private PositionTable Positions(string childFolder, int length)
    {
        using var steps = new CalibrationSteps(device, HeldOut(length));
        using var written = StoredParts.Open(childFolder, target: device);
        return new ModelScorer(device, inputs.Parent.Parts, steps, settings.Memory).Positions(written, length);
    }

    private IReadOnlyList<PackedBatch> HeldOut(int length) =>
        (inputs.Healing.HeldOut ?? throw new InvalidOperationException("a test at a length needs held-out documents"))(length);

    private Estimate? Divergence(string childFolder)
    {
        if (inputs.HeldOut.Count == 0)
        {
            return null;
        }

        using var steps = new CalibrationSteps(device, inputs.HeldOut);
        using var written = StoredParts.Open(childFolder, target: device);
        return new ModelScorer(device, inputs.Parent.Parts, steps, settings.Memory).Score([written])[0];
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

    private List<PhaseUse> Heal(RunFolder stage, Decoder child)
    {
        var phases = Phases();
        using var trainer = new Trainer(
            device, child, settings.Training, settings.Weights, phases, inputs.Parent.Whole, layerMap);
        var run = new TrainingRun(
            trainer, stage.FullPath, stage.Manifest.Hash, new TrainingIntervals(settings.Interval, settings.Interval, 1))
        {
            Validation = inputs.HeldOut,
            ValidationSets = [.. settings.Course.Lengths.Select(phase => phase.Length).Distinct().Select(
                length => new ValidationSet(length.ToString(CultureInfo.InvariantCulture), HeldOut(length)))],
            Figures = inputs.Healing.Accuracy is { } measure ? () => Figures(measure(child)) : null,
            Patience = settings.Course.Patience,
        };
        run.Run(new ProgressOptions { Label = "heal", Unit = "steps" });
        return Uses(phases, trainer.Steps, stage.PathOf("metrics.jsonl"));
    }

    /// <summary>The phases by length, or one of the usual documents.</summary>
    private IReadOnlyList<TrainingPhase> Phases()
    {
        var usual = inputs.Documents ?? throw new InvalidOperationException("healing needs documents");
        if (settings.Course.Lengths.Count == 0)
        {
            return [new TrainingPhase(settings.Steps, settings.Training.MaxLength, usual)];
        }

        var documents = inputs.Healing.PhaseDocuments ?? throw new InvalidOperationException("a schedule of lengths needs documents of every length");
        return [.. settings.Course.Lengths.Select((phase, i) => new TrainingPhase(phase.Steps, phase.Length, documents(i, phase.Length)))];
    }

    private static IEnumerable<(string Name, double Value)> Figures(AccuracyResult accuracy) =>
        [("validation.correct", accuracy.Correct), ("validation.problems", accuracy.Count)];

    private static List<PhaseUse> Uses(IReadOnlyList<TrainingPhase> phases, int steps, string metrics)
    {
        var uses = new List<PhaseUse>();
        int first = 0;
        foreach (var phase in phases)
        {
            int end = Math.Min(first + phase.Steps, steps);
            uses.Add(new PhaseUse(phase.MaxLength, Math.Max(0, end - first), TrainedTokens.Count(metrics, first, end)));
            first += phase.Steps;
        }

        return uses;
    }

    private Dictionary<string, string> Provenance(RunFolder stage, IEnumerable<(string Name, string Value)> more, RunFolder? pretraining)
    {
        var notes = more.Append(("tessera.parent", inputs.ParentHash)).Append(("tessera.layer_map", string.Join(',', layerMap)))
            .Append(("tessera.healing", stage.Manifest.Hash)).ToDictionary(pair => pair.Item1, pair => pair.Item2);
        if (pretraining is not null)
        {
            notes.Add("tessera.pretraining", pretraining.Manifest.Hash);
        }

        return notes;
    }
}
