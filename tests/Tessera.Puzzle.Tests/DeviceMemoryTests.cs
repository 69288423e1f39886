using Tessera.Devices;
using Tessera.Evaluation;
using Tessera.Inference;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Targets;
using Tessera.TestSupport;
using Tessera.Training;
using Tessera.Training.Checkpoints;
using Tessera.Training.Data;
using Tessera.Training.Objectives;
using static Tessera.Puzzle.Tests.Fusion.LayerFusionTests;

namespace Tessera.Puzzle.Tests;

/// <summary>
/// Everything above the kernels runs on a device whose memory it cannot reach, and with the bits that it has in memory that it can.
/// </summary>
public sealed class DeviceMemoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-memory-").FullName;
    private readonly string _parent;
    private readonly Lazy<CostTable> _freeCosts = new(() =>
    {
        using var parent = SmallParent.Of(Attention(48), Ffn(48), Ffn(48));
        return CostMeasurement.Run(parent.Device, parent.Configuration, Scenario, 1);
    });

    private readonly Lazy<CostTable> _costs = new(() =>
    {
        using var parent = new SmallParent();
        return CostMeasurement.Run(parent.Device, parent.Configuration, Scenario, 1);
    });

    public DeviceMemoryTests()
    {
        _parent = Path.Combine(_folder, "parent");
        using var parent = new SmallParent();
        ModelFolder.Save(_parent, parent.Model, DType.F32);
    }

    [Fact]
    public void The_guard_closes_memory_and_lets_kernels_in()
    {
        using var device = new GuardedDevice(2);
        using var arena = device.CreateArena("guarded");
        nint address = arena.Allocate(4096);
        device.Upload<byte>([1, 2, 3, 4], address);
        using var file = new FileStream(Path.Combine(_folder, "bytes"), FileMode.Create);
        Assert.Throws<IOException>(() => Write(file, address));
        using (CpuDevice.Enter(device))
        {
            using (CpuDevice.Enter(device))
            {
                Write(file, address);
            }

            Write(file, address);
        }

        Assert.Throws<IOException>(() => Write(file, address));
        byte[] back = new byte[4];
        device.Download(address, back.AsSpan());
        Assert.Equal((byte[])[1, 2, 3, 4], back);
    }

    [Theory]
    [InlineData(Tensors.RecomputeLevel.None)]
    [InlineData(Tensors.RecomputeLevel.Selective)]
    [InlineData(Tensors.RecomputeLevel.Full)]
    public void A_student_is_trained_by_its_teacher_resumed_and_stored(Tensors.RecomputeLevel recompute) => AssertSame(device =>
    {
        using var student = ModelFolder.Load(_parent, DType.F32, device);
        using var teacher = ModelFolder.Load(_parent, DType.BF16, device);
        var settings = new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Cosine, 1e-2, 1e-3, 1, 4),
            Accumulation = 2,
            BatchTokens = 64,
            MaxLength = 32,
            Recompute = recompute,
        };
        string checkpoint = Path.Combine(_folder, "state.safetensors"), target = Path.Combine(_folder, "student");
        var losses = new ObjectiveWeights(0.5, 1, 1);
        using (var trainer = new Trainer(device, student, settings, losses, new Documents(), teacher))
        {
            trainer.Step();
            TrainingCheckpoint.Save(checkpoint, trainer, "test");
            trainer.Step();
        }

        using (var trainer = new Trainer(device, student, settings, losses, new Documents(), teacher))
        {
            Assert.True(TrainingCheckpoint.TryRestore(checkpoint, trainer, "test"));
            trainer.Step();
            trainer.Validate([SmallParent.Batch(3)]);
        }

        ModelFolder.Save(target, student, DType.BF16);
        return [File.ReadAllBytes(checkpoint), .. Weights(target)];
    });

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.Int8)]
    public void Texts_are_scored_and_continued(DType type) => AssertSame(device =>
    {
        using var model = ModelFolder.Load(_parent, type, device);
        using var scorer = new LikelihoodScorer(device, model, 16, 8);
        int[][] texts = [.. Enumerable.Range(0, 5).Select(i => new Documents().Get(i).Ids)];
        double[] scores = [.. scorer.Score(texts).Select(score => score.NegativeLogLikelihood)];

        // Prompts enter in chunks, pages run out, sequences are preempted; both ways of choosing a token.
        using var engine = new Generator(device, model, new EngineSettings
        {
            MaxRunning = 3,
            StepTokens = 12,
            ChunkTokens = 7,
            CacheType = type == DType.BF16 ? DType.BF16 : DType.F32,
            Pages = 4,
        });
        int[][] prompts = [.. texts.Select(ids => ids[..Math.Min(9, ids.Length)])];
        var drawn = engine.Generate(prompts, new GenerationSettings { MaxNewTokens = 20, Temperature = 0.8f, TopK = 10, Seed = 3 });
        var likeliest = engine.Generate(prompts, new GenerationSettings { MaxNewTokens = 20, Temperature = 0 });
        return
        [
            .. scores.Select(BitConverter.GetBytes),
            .. drawn.Concat(likeliest).Select(sequence => sequence.Ids.SelectMany(BitConverter.GetBytes)
                .Concat(sequence.LogProbs.SelectMany(BitConverter.GetBytes)).ToArray()),
        ];
    });

    [Fact]
    public void A_scenario_is_timed_with_recorded_steps_that_were_recorded_before()
    {
        using var parent = new SmallParent();
        using var device = new GuardedDevice(2, records: true);

        // From 250 to 260 positions: two kinds of steps, each of which runs and is recorded before the clock starts.
        using var meter = new ScenarioMeter(device, new ServingScenario(3, 250, 10, DType.F32, 2));
        var model = parent.Model;
        int recorded = device.Recordings;
        for (int i = 0; i < 2; i++)
        {
            var time = meter.Measure(model);
            Assert.True(time.PrefillSeconds > 0 && time.DecodeSeconds > 0);
            Assert.Equal(2, device.Recordings - recorded);
            recorded = device.Recordings;
        }
    }

    [Fact]
    public void Blocks_are_measured() => AssertSame(device =>
    {
        using var parent = new SmallParent();
        var layer = parent.Configuration.Layers[0];
        var table = new CostMeter(device, parent.Configuration, Scenario).Measure([layer.Mixer], [layer.FeedForward], 1);
        Assert.True(table.Base.DecodeSeconds > 0);
        return [BitConverter.GetBytes(table.Base.Parameters)];
    });

    [Fact]
    public void A_model_is_compressed() => AssertSame(device =>
    {
        string output = Path.Combine(_folder, device.Name);
        using var parent = ParentModel.Open(_parent, device);
        var pipeline = new CompressionPipeline(
            device,
            Inputs(parent, _parent),
            Settings("parameters<=70%"),
            output,
            "test")
        {
            GivenCosts = _costs.Value,
        };
        var result = pipeline.Run();
        string child = Path.Combine(output, result.ChildFolder);
        return Weights(child);
    });

    // Pairs, states in bf16, and channels that are cut in rounds.
    [Fact]
    [Trait("Category", "Slow")]
    public void A_model_is_compressed_with_pairs() => AssertSame(device =>
    {
        string source = Path.Combine(_folder, "few"), output = Path.Combine(_folder, "pairs-" + device.Name);
        using (var few = SmallParent.Of(Attention(48), Ffn(48)))
        {
            ModelFolder.Save(source, few.Model, DType.F32);
        }

        using var parent = ParentModel.Open(source, device);
        var library = new LibrarySettings { Mode = DistillationMode.Hybrid, Solutions = 1, PruneRounds = 2, States = DType.BF16 };
        new CompressionPipeline(device, Inputs(parent, source), Settings("parameters<=70%") with { Library = library }, output, "test")
        {
            GivenCosts = _freeCosts.Value,
        }.Run();
        string stage = Directory.GetDirectories(output, "pairs-*").Single();
        return [.. Weights(Path.Combine(output, "child")), .. Weights(Path.Combine(stage, "weights"))];
    });

    [Fact]
    public void A_model_is_fused_and_healed() => AssertSame(device =>
    {
        string source = Path.Combine(_folder, "free"), output = Path.Combine(_folder, "fused-" + device.Name);
        using (var free = SmallParent.Of(Attention(48), Ffn(20), Ffn(36)))
        {
            ModelFolder.Save(source, free.Model, DType.F32);
        }

        using var parent = ParentModel.Open(source, device);
        var healing = new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 3),
            BatchTokens = 64,
            MaxLength = 32,
        };
        FusionResult Run(TrainingSettings training) => new FusionPipeline(
            device, Inputs(parent, source),
            new FusionSettings(
                new FusionRunSettings { Runs = [new FusionRun(0, 2)] }, Scenario, 1,
                new HealingSettings(training, ObjectiveWeights.Distillation, 1, DType.F32)),
            output, "test").Run();
        var fused = Run(healing);
        Assert.Equal(["0-2"], fused.Fusion.Runs);
        Assert.Equal(["kv2 ffn104"], fused.Fusion.After.Layers);
        Assert.Equal(0, fused.Fusion.Before.Divergence!.Value.Mean);
        Assert.True(fused.Fusion.After.Divergence!.Value.Mean > fused.ChildDivergence!.Value.Mean);
        string[] records = Directory.GetFiles(output, "*.json*", SearchOption.AllDirectories);
        Assert.Contains(records, path => Path.GetFileName(path) == "dependency.json");

        // The same command finds everything measured and written.
        byte[][] weights = Weights(Path.Combine(output, fused.ChildFolder));
        var again = Run(healing with { Recompute = Tensors.RecomputeLevel.Full });
        Assert.Equal(fused.Fusion.DecodeSpeedUp, again.Fusion.DecodeSpeedUp);
        Assert.Equal(records, Directory.GetFiles(output, "*.json*", SearchOption.AllDirectories));
        Assert.Equal(weights, Weights(Path.Combine(output, fused.ChildFolder)));
        return weights;
    });

    // Such a parent leaves the search a child with neighbours to fuse, since an absent mixer has no alternative.
    [Fact]
    [Trait("Category", "Slow")]
    public void A_child_is_fused_before_it_is_healed() => AssertSame(device =>
    {
        string source = Path.Combine(_folder, "free"), output = Path.Combine(_folder, "compressed-" + device.Name);
        using (var free = SmallParent.Of(Attention(48), Ffn(48), Ffn(48)))
        {
            ModelFolder.Save(source, free.Model, DType.F32);
        }

        using var parent = ParentModel.Open(source, device);
        CompressionResult Run(FusionRunSettings? fusion) => new CompressionPipeline(
            device, Inputs(parent, source), Settings("parameters<=95%") with { Fusion = fusion }, output, "test")
        {
            GivenCosts = _freeCosts.Value,
        }.Run();
        var plain = Run(null);
        byte[][] unfused = Weights(Path.Combine(output, plain.ChildFolder));
        Assert.Null(plain.Fusion);
        Assert.Equal(plain.Candidates[1], plain.Delivered);
        Assert.Empty(Directory.GetDirectories(output, "fuse-*"));
        var fused = Run(new FusionRunSettings { FusesLast = true });
        Assert.Equal(["1-2"], fused.Fusion!.Runs);
        Assert.Equal(plain.Candidates[1].Layers, fused.Fusion.Before.Layers);
        Assert.Equal(2, ModelFolder.ReadConfiguration(Path.Combine(output, fused.ChildFolder)).Layers.Length);
        Assert.Equal(plain.Candidates[1].HeldOutDivergence.Mean, fused.Fusion.Before.Divergence!.Value.Mean, 1e-9);
        Assert.Equal(fused.Fusion.After.DecodeSeconds, fused.Delivered.DecodeSeconds);
        Assert.Equal(fused.Fusion.Parent!.Value.DecodeSeconds, fused.DeliveredParent.DecodeSeconds);
        Assert.Equal(fused.Fusion.Parent.Value.PrefillSeconds, fused.DeliveredParent.PrefillSeconds);
        Assert.Contains("Dependency of layers", File.ReadAllText(Path.Combine(output, "report.html")), StringComparison.Ordinal);
        return [.. unfused, .. Weights(Path.Combine(output, fused.ChildFolder))];
    });

    [Fact]
    public void A_model_is_exported_and_read_again() => AssertSame(device =>
    {
        using var model = ModelFolder.Load(_parent, DType.F32, device);
        string gguf = Path.Combine(_folder, "model.gguf"), plain = Path.Combine(_folder, "plain");
        GgufExport.Write(gguf, model, GgufTensorType.Q8, "small");
        using var again = ModelFolder.Load(gguf, DType.Int8, device);
        using var wide = ModelFolder.Convert(again, DType.F32);
        using var padded = PaddedLlama.Build(wide, DType.BF16);
        ModelFolder.Save(plain, padded, DType.F32);
        return [File.ReadAllBytes(gguf), .. Weights(plain)];
    });

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static ServingScenario Scenario { get; } = new(2, 8, 4, DType.F32, 2);

    private static void AssertSame(Func<Device, byte[][]> run)
    {
        int arenas = Arena.LiveArenas;
        using (var processor = new CpuDevice(2))
        using (var guarded = new GuardedDevice(2))
        {
            byte[][] expected = run(processor), actual = run(guarded);
            Assert.True(guarded.Openings > 100, $"the memory was opened {guarded.Openings} times");
            Assert.Equal(expected.Length, actual.Length);
            Assert.All(expected.Zip(actual), pair => Assert.True(pair.First.AsSpan().SequenceEqual(pair.Second)));
        }

        Assert.Equal(arenas, Arena.LiveArenas);
    }

    private static CompressionInputs Inputs(ParentModel parent, string folder) => new()
    {
        Parent = parent,
        ParentHash = "parent",
        ParentFolder = folder,
        DataHash = "data",
        Calibration = [SmallParent.Batch(1), SmallParent.Batch(2)],
        Scoring = [SmallParent.Batch(3)],
        HeldOut = [SmallParent.Batch(4)],
        Documents = new Documents(),
    };

    private static CompressionSettings Settings(string target) => new()
    {
        Targets = [Target.Parse(target)],
        Scenario = Scenario,
        BlockDistillation = new BlockDistillationSettings(2, 1e-3),
        Healing = new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 2),
            BatchTokens = 64,
            MaxLength = 32,
        },
        CostRounds = 1,
        HealingInterval = 1,
    };

    private static byte[][] Weights(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

    private static unsafe void Write(FileStream file, nint address) =>
        RandomAccess.Write(file.SafeFileHandle, new ReadOnlySpan<byte>((void*)address, 4), 0);

    /// <summary>Random documents by number.</summary>
    private sealed class Documents : IDocumentSource
    {
        public TokenDocument Get(long index)
        {
            var random = new CounterRandom(77, (ulong)index);
            int[] ids = new int[5 + random.Next(25)];
            for (int i = 0; i < ids.Length; i++)
            {
                ids[i] = random.Next(SmallParent.Vocabulary);
            }

            return TokenDocument.Uniform(ids);
        }
    }
}
