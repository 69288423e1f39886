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
        double[] expected = Curve(processor, name, DType.F32);
        double[] actual = Curve(card, name, DType.F32);
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
        double[] expected = Curve(processor, name, DType.F32);
        double[] actual = Curve(card, name, master);
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

    /// <summary>The losses of a run from the same weights over the same documents.</summary>
    private static double[] Curve(
        Tessera.Devices.Device device, string name, DType master, RecomputeLevel recompute = RecomputeLevel.None)
    {
        using var source = SmallModel.Create(FamilyModels.Configurations[name], scale: 0.15f);
        using var model = device is CudaDevice card ? CardModel.Copy(card, source, master) : ModelCopy(source);
        using var trainer = new Trainer(
            device, model, Settings with { Recompute = recompute }, ObjectiveWeights.LanguageModelling, new Documents());
        return [.. Enumerable.Range(0, Steps).Select(_ => trainer.Step().Loss.CrossEntropy)];
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
        public TokenDocument Get(long index)
        {
            var random = new CounterRandom(17, (ulong)index);
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
