using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Targets;
using Tessera.Training;

namespace Tessera.Puzzle.Tests.Compression;

/// <summary>How much of a device's memory a compression takes: layers and states, and not the model.</summary>
public sealed class PeakMemoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-peak-").FullName;

    // Layers without attention have few variants, which keeps the time small.
    [Fact]
    [Trait("Category", "Slow")]
    public void Library_and_scores_take_the_memory_of_few_layers_however_many_there_are()
    {
        var (few, layer) = Compress(2, "few");
        var (many, _) = Compress(6, "many");

        // A variant that is trained: weights, gradients, two moments, the initial weights, the parent's layer and its source.
        Assert.True(many <= 10 * layer, $"{many} bytes for layers of {layer}");
        Assert.True(many - few <= layer / 4, $"{few} bytes with 2 layers, {many} with 6 of {layer}");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The peak before a child is assembled, and the bytes of a layer in f32.</summary>
    private (long Peak, long Layer) Compress(int layers, string name)
    {
        var configuration = Shape(layers);
        string folder = Path.Combine(_folder, name);
        using (var model = Decoder.Allocate(configuration, DType.F32))
        {
            ModelInitializer.Fill(model, 3);
            ModelFolder.Save(folder, model, DType.BF16);
        }

        using var device = new CountingDevice(2);
        using var parent = ParentModel.Open(folder, device);
        using var processor = new CpuDevice(2);
        long peak = 0;
        var scenario = new ServingScenario(1, 4, 2, DType.BF16, 2);
        var costs = CostMeasurement.Run(processor, Shape(1), scenario, 1);
        var pipeline = new CompressionPipeline(
            device,
            new CompressionInputs
            {
                Parent = parent,
                ParentHash = "parent",
                ParentFolder = folder,
                DataHash = "data",
                Calibration = [SmallParent.Batch(1)],
                Scoring = [SmallParent.Batch(3)],
                HeldOut = [SmallParent.Batch(5)],
            },
            new CompressionSettings
            {
                Targets = [Target.Parse("parameters<=100%")],
                Scenario = scenario,
                BlockDistillation = new BlockDistillationSettings(1, 1e-3),
                Healing = new TrainingSettings
                {
                    Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 0),
                    BatchTokens = 64,
                    MaxLength = 32,
                },
                CostRounds = 1,
            },
            Path.Combine(_folder, name + "-run"),
            "test")
        {
            GivenCosts = costs,
            OnScored = () => peak = device.PeakBytes,
        };
        pipeline.Run();

        // What is assembled is stored in bf16, two models at most; at this size everything else is the larger part.
        Assert.True(device.PeakBytes <= peak + (2 * configuration.ParameterCount * sizeof(ushort)), $"{device.PeakBytes} bytes after {peak}");
        return (peak, configuration.FeedForwardParameterCount(0) * sizeof(float));
    }

    private static ModelConfiguration Shape(int layers) => new()
    {
        VocabularySize = SmallParent.Vocabulary,
        HiddenSize = 256,
        HeadCount = 4,
        HeadDim = 64,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 10000,
        MaxPositions = 64,
        TieEmbeddings = true,
        StorageType = DType.BF16,
        BosTokenId = 1,
        EosTokenIds = [2],
        Layers = [.. Enumerable.Repeat(new LayerConfiguration(new NoMixerConfiguration(), new SwiGluConfiguration(1536)), layers)],
    };
}
