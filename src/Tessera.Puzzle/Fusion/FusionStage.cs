using System.Text.Json;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;

namespace Tessera.Puzzle.Fusion;

/// <summary>Measures dependencies, chooses runs, fuses, and holds the result against the model as it was. Measurements are recorded.</summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">The parent that both are compared with, and the data.</param>
/// <param name="settings">Which layers are fused.</param>
/// <param name="scenario">The load of the times.</param>
/// <param name="rounds">Rounds of the times.</param>
internal sealed class FusionStage(
    Device device, CompressionInputs inputs, FusionRunSettings settings, ServingScenario scenario, int rounds)
{
    /// <summary>Whether the inputs' parent is another model than the one that is fused: then it is timed in turn with both.</summary>
    public bool TimesParent { get; init; }

    /// <summary>What decides the stage besides model and data.</summary>
    public IEnumerable<(string Name, string Value)> Identity =>
    [
        ("runs", settings.Runs is null ? "found" : string.Join(',', settings.Runs)),
        ("threshold", FormattableString.Invariant($"{settings.Threshold}")), ("max-width", FormattableString.Invariant($"{settings.MaxWidth}")),
        .. settings.Blocks is { } blocks ? ((string, string)[])[("blocks", FormattableString.Invariant($"{blocks.Length}/{blocks.Windows}"))] : [],
        ("last", settings.FusesLast ? "fused" : "kept"), ("scenario", scenario.Label), ("rounds", FormattableString.Invariant($"{rounds}")),
    ];

    /// <summary>Fuses a model in f32.</summary>
    /// <param name="model">The model, or a child of the inputs' parent.</param>
    /// <param name="stage">Where records are kept.</param>
    /// <exception cref="ArgumentException">A run chosen by hand cannot be fused.</exception>
    public FusionOutcome Run(Decoder model, RunFolder stage)
    {
        var dependency = inputs.Calibration.Count == 0 ? null : Dependency(model, stage.PathOf("dependency.json"));
        if (dependency is null && settings is { Blocks: not null, Runs: null })
        {
            throw new ArgumentException("whole blocks need data to measure their dependencies on, or runs that are chosen by hand");
        }

        var runs = FusionRuns.Of(model.Configuration, settings, dependency);
        if (runs.Count == 0)
        {
            stage.MarkComplete();
            return new FusionOutcome(model, null, null, dependency);
        }

        var fused = LayerFusion.Fuse(model, runs, settings.Blocks is not null);
        try
        {
            using var record = RecordedTable.Open(stage.PathOf("measurements.jsonl"));
            var comparison = Compare(model, fused.Model, runs, record);
            stage.MarkComplete();
            return new FusionOutcome(model, fused, comparison, dependency);
        }
        catch
        {
            fused.Dispose();
            throw;
        }
    }

    private DependencyMatrix Dependency(Decoder model, string path)
    {
        if (!File.Exists(path))
        {
            using var progress = new ProgressReporter(
                Console.Error, new ProgressOptions { Label = "dependency", Unit = "batches", Total = inputs.Calibration.Count });
            var measured = DependencyMeasurement.Measure(device, model, inputs.Calibration, () => progress.Advance());
            AtomicFile.WriteAllText(path, JsonSerializer.Serialize(measured, PuzzleJson.Default.DependencyMatrix));
        }

        return JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.DependencyMatrix)
            ?? throw new InvalidDataException($"{path}: this is not a matrix of dependencies");
    }

    private FusionComparison Compare(Decoder before, Decoder after, IReadOnlyList<FusionRun> runs, RecordedTable record)
    {
        var samples = record.GetOrAdd(TimesParent ? "times/with parent" : "times", PuzzleJson.Default.ScenarioTimeArrayArray, () => Times(before, after));
        double[] ratios = [.. samples[0].Zip(samples[1], (b, a) => b.DecodeSeconds / a.DecodeSeconds)];
        return new FusionComparison
        {
            Runs = [.. runs.Select(run => run.ToString())],
            WholeBlocks = settings.Blocks is not null,
            Before = Side("before", before, samples[0], record),
            After = Side("after", after, samples[1], record),
            Parent = TimesParent ? ModelTimes.Median(samples[2]) : null,
            DecodeSpeedUp = KernelBench.Quantile(ratios, 0.5),
            DecodeSpeedUpSpread = KernelBench.HalfRange(ratios),
            Rounds = ratios.Length,
        };
    }

    private ScenarioTime[][] Times(Decoder before, Decoder after)
    {
        using var first = ModelFolder.Convert(before, scenario.Type);
        using var second = ModelFolder.Convert(after, scenario.Type);
        using var parent = TimesParent ? new ModelAssembly(device, scenario.Type).Load(inputs.Parent.Parts) : null;
        return [.. ModelTimes.Sample(device, scenario, parent is null ? [first, second] : [first, second, parent], (2 * rounds) + 1)];
    }

    private FusionSide Side(string name, Decoder model, ScenarioTime[] samples, RecordedTable record)
    {
        var time = ModelTimes.Median(samples);
        int[] accuracy = inputs.Accuracy is null
            ? [0, 0]
            : record.GetOrAdd($"accuracy/{name}", PuzzleJson.Default.Int32Array, () => Accuracy(model));
        return new FusionSide
        {
            Layers = [.. model.Configuration.Layers.Select(layer => layer.ToString())],
            Parameters = model.Configuration.ParameterCount,
            Divergence = inputs.HeldOut.Count == 0
                ? null
                : record.GetOrAdd($"divergence/{name}", PuzzleJson.Default.Estimate, () => Divergence(model)),
            DecodeSeconds = time.DecodeSeconds,
            PrefillSeconds = time.PrefillSeconds,
            Correct = accuracy[0],
            Problems = accuracy[1],
        };
    }

    private int[] Accuracy(Decoder model)
    {
        using var served = ModelFolder.Convert(model, scenario.Type);
        var accuracy = inputs.Accuracy!(served);
        return [accuracy.Correct, accuracy.Count];
    }

    private Estimate Divergence(Decoder model)
    {
        using var steps = new CalibrationSteps(device, inputs.HeldOut);
        return new ModelScorer(device, inputs.Parent.Parts, steps, cap: null).Score([new ResidentParts(model)])[0];
    }
}
