using System.Text.Json;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Training;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>Compressions of which only a part is done, in bf16 as on a card, with further loads.</summary>
public sealed class PartialWorkTests : IDisposable
{
    private const string Tried = "attention:kv1,none ffn:50%,linear";

    private static readonly Lazy<CostTable> Costs = new(() =>
    {
        using var parent = new SmallParent();
        return CostMeasurement.Run(parent.Device, parent.Configuration, Scenario, 1);
    });

    private static ServingScenario Scenario => new(2, 8, 4, DType.BF16, 2);

    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-partial-").FullName;
    private readonly string _parent;
    private readonly CpuDevice _device = new(2);

    public PartialWorkTests()
    {
        _parent = Path.Combine(_folder, "parent");
        using var parent = new SmallParent();
        ModelFolder.Save(_parent, parent.Model, DType.BF16);
    }

    [Fact]
    public void Chosen_layers_are_trained_the_others_left_and_their_time_projected()
    {
        var result = Run("partial", settings => settings with
        {
            BlockDistillation = settings.BlockDistillation with { Layers = LayerSet.TryParse("0,2") },
        });
        string folder = Path.Combine(_folder, "partial");
        var entries = JsonSerializer.Deserialize(
            File.ReadAllText(Directory.GetFiles(folder, "library.json", SearchOption.AllDirectories).Single()), PuzzleJson.Default.LibraryEntryArray)!;
        Assert.Equal(9, entries.Length);
        Assert.All(entries, entry => Assert.Equal(entry.Layer == 1 ? 0 : 3, entry.Steps));
        Assert.Contains(entries, entry => entry.Stored == StoredAs.File);
        Assert.All(entries.Where(entry => entry.Layer == 1), entry => Assert.Equal(entry.Before, entry.After));

        Assert.Equal(3, result.Projection!.Layers);
        Assert.Equal(2, result.Projection.TimedLayers);
        Assert.True(result.Projection.SecondsPerLayer > 0 && result.Projection.Seconds > 3 * result.Projection.SecondsPerLayer);
        Assert.Equal(["measure", "library", "scores", "search", "realise", "heal"], result.Stages!.Select(stage => stage.Stage));
        Assert.All(result.Stages!, stage => Assert.True(stage.Seconds >= 0 && stage.PeakBytes > 0));

        // States of four depths, the channels of three layers, nine halves; states, and eight pairs a layer in one job.
        Assert.Equal([16, 7], result.Stages!.Where(stage => stage.Jobs > 0).Select(stage => stage.Jobs));
        Assert.All(result.Candidates, candidate => Assert.All(
            candidate.Layers, label => Assert.Contains(label.Split(' ')[0], (string[])["kv4", "kv1", "none"])));
    }

    [Fact]
    public void In_bf16_halves_are_stored_as_they_are_served_and_the_child_has_their_bits()
    {
        var exact = Run("exact", settings => settings, DType.F32);
        var result = Run("rounded", settings => settings with { Targets = [Target.Parse("parameters<=70%")] });
        string folder = Path.Combine(_folder, "rounded");
        string[] files = Directory.GetFiles(folder, "layer*.safetensors", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (string path in files)
        {
            using var file = SafetensorsFile.Open(path);
            Assert.All(file.Tensors, tensor => Assert.Equal(
                tensor.Name.EndsWith(".norm", StringComparison.Ordinal) ? SafetensorsType.F32 : SafetensorsType.BF16, tensor.Type));
        }

        // The child is what was compared: of what is written only gains are rounded.
        double compared = result.Candidates[1].HeldOutDivergence.Mean;
        Assert.True(compared > 0);
        Assert.InRange(result.HealedDivergence.Mean, 0.995 * compared, 1.005 * compared);

        // Rounding moves scores by less than a tenth, and the choice not at all or between equals.
        Assert.InRange(
            result.Candidates[1].PredictedDivergence, 0.9 * exact.Candidates[1].PredictedDivergence, 1.1 * exact.Candidates[1].PredictedDivergence);
        Assert.NotEqual(Scores("exact"), Scores("rounded"));
    }

    [Fact]
    public void Memory_for_kept_halves_and_layers_changes_no_bit_of_the_scores()
    {
        Run("plain", settings => settings);
        using var card = new CountingDevice(2, 1L << 30);
        Run("kept", settings => settings, device: card);

        // Room for one batch of streams and one layer beside what must be there.
        using var small = new SmallParent();
        long need = StreamingMemory.Need(small.Configuration, 64, DType.F32, DType.BF16) + LinearCrossEntropy.CudaLogitsBudgetBytes;
        Run("capped", settings => settings with { Memory = need + (60 << 10) }, device: card);
        Assert.Equal(Scores("plain"), Scores("kept"));
        Assert.Equal(Scores("plain"), Scores("capped"));
    }

    [Fact]
    public void Drawn_weights_give_what_the_same_weights_on_the_disk_give()
    {
        using var small = new SmallParent();
        string stored = Path.Combine(_folder, "stored");
        using (var model = Decoder.Allocate(small.Configuration, DType.BF16, _device))
        {
            ModelInitializer.Fill(model, 4, _device);
            ModelFolder.Save(stored, model, DType.BF16);
        }

        using (var parent = ParentModel.Draw(small.Configuration, 4, _device, DType.BF16))
        {
            Run("drawn", settings => settings, parent);
        }

        using (var parent = ParentModel.Open(stored, _device, DType.BF16))
        {
            Run("read", settings => settings, parent);
        }

        Assert.Equal(Scores("drawn"), Scores("read"));
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(_folder, "drawn", "child", "model.safetensors")),
            File.ReadAllBytes(Path.Combine(_folder, "read", "child", "model.safetensors")));
    }

    [Fact]
    public void Parent_and_child_are_predicted_and_measured_in_further_loads()
    {
        CompressionSettings With(CompressionSettings settings) => settings with
        {
            Loads = [new("short", Scenario with { Batch = 1 }), new("long", Scenario with { OutputLength = 40 })],
            LoadRounds = 2,
            DecodeSteps = 4,
        };
        var result = Run("loads", With);
        Assert.Equal(["short parent", "short child", "long parent", "long child"], result.Loads!.Select(load => $"{load.Load} {load.Model}"));
        Assert.Equal(["measure", "library", "scores", "search", "realise", "loads", "heal"], result.Stages!.Select(stage => stage.Stage));
        Assert.All(result.Loads!, load =>
        {
            Assert.Equal(2, load.Rounds);
            Assert.True(load.PrefillSeconds > 0 && load.DecodeSeconds > 0 && load.PredictedDecodeSeconds > 0);
            Assert.Equal(load.Throughput / load.PredictedThroughput, load.Ratio);
            double seconds = load.PrefillSeconds + (load.Scenario.OutputLength * load.DecodeSeconds);
            Assert.Equal(load.Scenario.Batch * load.Scenario.OutputLength / seconds, load.Throughput, 1e-9 * load.Throughput);
        });

        // Again, everything is found; without loads the earlier stages stand as well.
        var again = Run("loads", With);
        Assert.Equal(result.Loads, again.Loads);
        string[] scores = Directory.GetDirectories(Path.Combine(_folder, "loads"), "scores-*");
        Assert.Null(Run("loads", settings => settings with { DecodeSteps = 4 }).Loads);
        Assert.Equal(scores, Directory.GetDirectories(Path.Combine(_folder, "loads"), "scores-*"));
    }

    public void Dispose()
    {
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private byte[] Scores(string name) =>
        File.ReadAllBytes(Directory.GetFiles(Path.Combine(_folder, name), "scores.jsonl", SearchOption.AllDirectories).Single());

    private CompressionResult Run(
        string name, Func<CompressionSettings, CompressionSettings> change, DType type = DType.BF16, Device? device = null)
    {
        using var parent = ParentModel.Open(_parent, device ?? _device, type);
        return Run(name, change, parent, device);
    }

    private CompressionResult Run(
        string name, Func<CompressionSettings, CompressionSettings> change, ParentModel parent, Device? device = null)
    {
        var settings = change(new CompressionSettings
        {
            Targets = [Target.Parse("parameters<=70%")],
            Variants = TriedVariants.Parse(Tried, "--variants", parent.Configuration),
            Scenario = Scenario,
            BlockDistillation = new BlockDistillationSettings(3, 1e-3),
            Healing = new TrainingSettings
            {
                Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 0),
                BatchTokens = 64,
                MaxLength = 32,
            },
            CostRounds = 1,
        });
        return new CompressionPipeline(
            device ?? _device,
            new CompressionInputs
            {
                Parent = parent,
                ParentHash = "parent",
                ParentFolder = _parent,
                DataHash = "data",
                Calibration = [SmallParent.Batch(1), SmallParent.Batch(2)],
                Scoring = [SmallParent.Batch(3), SmallParent.Batch(4)],
                HeldOut = [SmallParent.Batch(5)],
            },
            settings,
            Path.Combine(_folder, name),
            "test")
        {
            GivenCosts = settings.DecodeSteps is null ? Costs.Value : null,
        }.Run();
    }
}
