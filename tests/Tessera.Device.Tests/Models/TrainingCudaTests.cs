using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Tensors;
using Tessera.Training;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Device.Tests.Models;

/// <summary>Training on a card beside the processor's, and beside itself.</summary>
[Trait("Category", Card.Category)]
public sealed class TrainingCudaTests
{
    private const int Steps = 40;
    private const int Vocabulary = 41;

    private static TrainingSettings Settings => new()
    {
        Schedule = new LearningRateSchedule(ScheduleShape.Cosine, 1e-2, 1e-3, 4, Steps),
        BatchTokens = 256,
        MaxLength = 96,
    };

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen3-biases")]
    [InlineData("decilm")]
    public void In_f32_the_curve_is_the_processors(string name)
    {
        using var card = Card.Open();
        using var processor = new CpuDevice(2);
        double[] expected = Curve(processor, name, DType.F32)[..Steps];
        double[] actual = Curve(card, name, DType.F32)[..Steps];
        Assert.True(expected[^1] < 0.9 * expected[0], "nothing was learned");
        foreach (var (e, a) in expected.Zip(actual))
        {
            // Rounding grows from step to step; what is wrong is wrong at once.
            Assert.Equal(e, a, 5e-3 * expected[0]);
        }

        Assert.Equal(expected[0], actual[0], 1e-5);
    }

    [Theory]
    [InlineData("llama", DType.F32)]
    [InlineData("llama", DType.BF16)]
    [InlineData("decilm", DType.BF16)]
    public void In_bf16_the_curve_stays_near_the_processors(string name, DType master)
    {
        using var card = Card.Open(DType.BF16);
        using var processor = new CpuDevice(2);
        double[] expected = Curve(processor, name, DType.F32)[..Steps];
        double[] actual = Curve(card, name, master)[..Steps];
        Assert.Equal(expected[0], actual[0], 2e-2 * expected[0]);
        Assert.Equal(expected[^1], actual[^1], 5e-2 * expected[0]);
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.BF16, DType.BF16)]
    public void The_same_run_gives_the_same_bits(DType activations, DType master)
    {
        using var card = Card.Open(activations);
        Assert.Equal(Curve(card, "qwen3-biases", master), Curve(card, "qwen3-biases", master));
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Recomputing_changes_no_bit(DType activations)
    {
        using var card = Card.Open(activations);
        double[] kept = Curve(card, "llama", DType.F32);
        Assert.Equal(kept, Curve(card, "llama", DType.F32, RecomputeLevel.Selective));
        Assert.Equal(kept, Curve(card, "llama", DType.F32, RecomputeLevel.Full));
    }

    [Theory]
    [InlineData("llama", DType.F32, RecomputeLevel.None, 1)]
    [InlineData("qwen3-biases", DType.BF16, RecomputeLevel.None, 1)]
    [InlineData("decilm", DType.BF16, RecomputeLevel.Selective, 3)]
    [InlineData("llama", DType.BF16, RecomputeLevel.Full, 2)]
    public void Recorded_steps_have_the_bits_of_eager_ones(string name, DType activations, RecomputeLevel recompute, int accumulation)
    {
        using var card = Card.Open(activations);
        var settings = Settings with { Recompute = recompute, Accumulation = accumulation };
        Assert.Equal(
            Curve(card, name, DType.F32, settings with { Eager = true }, out var eager), Curve(card, name, DType.F32, settings, out var recorded));
        Assert.Equal((0L, 0L), eager);
        Assert.InRange(recorded.Recordings, 1, 12);
        Assert.InRange(recorded.Launches, Steps * accumulation / 2, Steps * accumulation);
    }

    [Fact]
    public void Recorded_distillation_has_the_bits_of_eager_one()
    {
        using var card = Card.Open(DType.BF16);
        var weights = new ObjectiveWeights(0.5, 1, 0.25);
        using var teacherSource = SmallModel.Create(FamilyModels.Configurations["llama"], scale: 0.3f);
        using var teacher = CardModel.Copy(card, teacherSource, DType.BF16);
        double[] expected = Curve(card, "llama", DType.F32, Settings with { Eager = true }, out _, weights, teacher);
        Assert.Equal(expected, Curve(card, "llama", DType.F32, Settings, out var recorded, weights, teacher));
        Assert.InRange(recorded.Launches, Steps / 2, Steps);
    }

    /// <summary>Lengths of batches change nothing but which of them share a recording: what pads them has no weight.</summary>
    [Fact]
    public void Padding_is_not_learned()
    {
        using var card = Card.Open();
        using var source = SmallModel.Create(FamilyModels.Configurations["llama"], scale: 0.15f);
        using var model = CardModel.Copy(card, source, DType.F32);
        using var processor = new CpuDevice(2);
        using var reference = ModelCopy(source);
        using var objective = new Objective(card, model, ObjectiveWeights.LanguageModelling);
        using var expected = new Objective(processor, reference, ObjectiveWeights.LanguageModelling);
        foreach (int count in new[] { 1, 3, 2, 5, 3, 1, 3 })
        {
            var packer = new BatchPacker(new Documents { Seed = (ulong)count }, 80 * count, 80);
            var batch = packer.Next();
            Assert.Equal(expected.Evaluate(batch).CrossEntropy, objective.Evaluate(batch).CrossEntropy, 1e-5);
            Assert.Equal(expected.Evaluate(batch).Weight, objective.Evaluate(batch).Weight);
        }
    }

    /// <summary>Bytes for the garbage collector in steady state: of forward and backward, and of clearing and update.</summary>
    [Theory]
    [InlineData(DType.F32, RecomputeLevel.None, false)]
    [InlineData(DType.BF16, RecomputeLevel.Selective, false)]
    [InlineData(DType.BF16, RecomputeLevel.None, true)]
    public void Steps_allocate_nothing(DType activations, RecomputeLevel recompute, bool eager)
    {
        using var card = Card.Open(activations);
        using var source = SmallModel.Create(FamilyModels.Configurations["llama"], scale: 0.15f);
        using var model = CardModel.Copy(card, source, DType.F32);
        using var objective = new Objective(card, model, ObjectiveWeights.LanguageModelling, null, null, recompute, eager);
        using var optimizer = new Optimizer(card, model.Parameters);
        PackedBatch[] batches = [.. new BatchPacker(new Documents(), 240, 80).Take(900)];
        var settings = Settings;
        long losses = 0, updates = 0;
        for (int turn = 0; turn < 4; turn++)
        {
            (losses, updates) = (0, 0);
            foreach (var batch in batches)
            {
                long start = GC.GetAllocatedBytesForCurrentThread();
                optimizer.ClearGradients();
                long cleared = GC.GetAllocatedBytesForCurrentThread();
                objective.Accumulate(batch, batch.WeightSum);
                long accumulated = GC.GetAllocatedBytesForCurrentThread();
                optimizer.Update(settings, 1e-3);
                losses += accumulated - cleared;
                updates += cleared - start + GC.GetAllocatedBytesForCurrentThread() - accumulated;
            }
        }

        Assert.Equal((0L, 0L), (losses, updates));
    }

    private static double[] Curve(
        Tessera.Devices.Device device, string name, DType master, RecomputeLevel recompute = RecomputeLevel.None) =>
        Curve(device, name, master, Settings with { Recompute = recompute }, out _);

    /// <summary>The losses of a run from the same weights over the same documents, then the norms of its gradients.</summary>
    private static double[] Curve(
        Tessera.Devices.Device device, string name, DType master, TrainingSettings settings, out (long Recordings, long Launches) recorded,
        ObjectiveWeights? weights = null, Decoder? teacher = null)
    {
        using var source = SmallModel.Create(FamilyModels.Configurations[name], scale: 0.15f);
        using var model = device is CudaDevice card ? CardModel.Copy(card, source, master) : ModelCopy(source);
        using var trainer = new Trainer(
            device, model, settings, weights ?? ObjectiveWeights.LanguageModelling, new Documents(), teacher);
        double[] losses = [.. Enumerable.Range(0, Steps).Select(_ => trainer.Step()).SelectMany(step => new[] { step.Loss.CrossEntropy, step.GradientNorm })];
        recorded = trainer.Recorded;
        return [.. losses.Where((_, i) => i % 2 == 0), .. losses.Where((_, i) => i % 2 == 1)];
    }

    private static Decoder ModelCopy(Decoder source)
    {
        using var folder = new TemporaryFolder();
        Tessera.Models.Checkpoints.ModelFolder.Save(folder.FullPath, source, DType.F32);
        return Tessera.Models.Checkpoints.ModelFolder.Load(folder.FullPath, DType.F32);
    }

    /// <summary>Documents of a rule that can be learned: every token is the one before plus the document's step.</summary>
    private sealed class Documents : IDocumentSource
    {
        public ulong Seed { get; init; } = 17;

        public TokenDocument Get(long index)
        {
            var random = new CounterRandom(Seed, (ulong)index);
            int[] ids = new int[20 + random.Next(60)];
            int step = 1 + random.Next(3), next = random.Next(Vocabulary);
            for (int i = 0; i < ids.Length; i++)
            {
                ids[i] = next;
                next = (next + step) % Vocabulary;
            }

            return TokenDocument.Uniform(ids);
        }
    }
}
