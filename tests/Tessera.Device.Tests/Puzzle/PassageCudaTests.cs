using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Tests;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Training.Data;

namespace Tessera.Device.Tests.Puzzle;

/// <summary>A compression on a card in bf16: its parts have the processor's bits, and memory changes none of its scores.</summary>
[Trait("Category", Card.Category)]
public sealed class PassageCudaTests : IDisposable
{
    private const int Tokens = 256;
    private const string Tried = "attention:kv1,none ffn:50%,linear";
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-passage-").FullName;

    [Fact]
    public void Stored_and_drawn_layers_come_to_the_card_with_their_own_bits()
    {
        string folder = Save();
        using var card = Card.Open(DType.BF16);
        using var stored = StoredParts.Open(folder, DType.BF16, card);
        using var drawn = new DrawnParts(stored.Configuration, 3, card, DType.BF16);
        using var whole = Decoder.Allocate(stored.Configuration, DType.BF16, card);
        ModelInitializer.Fill(whole, 3, card);
        using var expected = ModelFolder.Load(folder, DType.BF16);
        using var arena = card.CreateArena("parts");
        for (int layer = 0; layer < stored.LayerCount; layer++)
        {
            AssertSame(expected.Layers[layer].Parameters, stored.Layer(layer, arena).Parameters);
            AssertSame(whole.Layers[layer].Parameters, drawn.Layer(layer, arena).Parameters);
        }

        AssertSame([expected.Head, expected.Embedding, expected.FinalNorm], [stored.Head(arena), stored.Embedding(arena), stored.FinalNorm(arena)]);
        AssertSame([whole.Head, whole.Embedding, whole.FinalNorm], [drawn.Head(arena), drawn.Embedding(arena), drawn.FinalNorm(arena)]);
    }

    [Fact]
    public void Variants_in_bf16_have_the_processors_bits_and_products_its_values()
    {
        string folder = Save();
        using var card = Card.Open(DType.BF16);
        using var processor = new CpuDevice(2);
        using var here = StoredParts.Open(folder, DType.BF16, processor);
        using var there = StoredParts.Open(folder, DType.BF16, card);
        int width = ((SwiGluConfiguration)here.Configuration.Layers[0].FeedForward).Width;
        int[] order = [.. Enumerable.Range(0, width).Select(i => i * 7 % width)];
        foreach (var (mixer, feedForward) in ((MixerConfiguration?, FeedForwardConfiguration?)[])
            [(new AttentionConfiguration(1), null), (new LinearMixerConfiguration(), null), (null, new SwiGluConfiguration(width / 2)), (null, new LinearFeedForwardConfiguration())])
        {
            SubBlock Make(Tessera.Devices.Device device, ModelParts parts, Arena arena)
            {
                var layer = parts.Layer(0, arena);
                var initializer = new VariantInitializer(device, new BlockFactory(parts.Configuration, parts.Rope, arena, DType.BF16));
                return mixer is null
                    ? initializer.FeedForward(layer.FeedForward!, feedForward!, order, "half")!
                    : initializer.Mixer(layer.Mixer!, mixer, "half")!;
            }

            using var processorArena = processor.CreateArena("processor");
            using var cardArena = card.CreateArena("card");
            var expected = Make(processor, here, processorArena);
            var actual = Make(card, there, cardArena);
            if (expected is LinearBlock)
            {
                AssertNear(expected.Parameters, actual.Parameters);
            }
            else
            {
                AssertSame(expected.Parameters, actual.Parameters);
            }
        }
    }

    [Fact]
    public void Scores_are_the_same_to_the_bit_whatever_is_kept_on_the_card()
    {
        string folder = Save();
        using var card = Card.Open(DType.BF16);
        var kept = Compress(card, folder, "kept", null);
        byte[] free = Scores("kept");
        Assert.True(kept.Candidates[1].ScoringDivergence.Mean > 0);

        // Room for what must be there and a part of a layer.
        using var parent = ParentModel.Open(folder, card, DType.BF16);
        long need = StreamingMemory.Need(parent.Configuration, Tokens, DType.BF16, DType.BF16) + LinearCrossEntropy.CudaLogitsBudgetBytes;
        var capped = Compress(card, folder, "capped", need + (256 << 10));
        Assert.Equal(free, Scores("capped"));
        Assert.Equal(kept.Candidates[0].Layers, capped.Candidates[0].Layers);
    }

    [Fact]
    public void Scores_in_bf16_are_near_the_processors_in_f32()
    {
        string folder = Save();
        using var card = Card.Open(DType.BF16);
        using var processor = new CpuDevice(4);
        var actual = Compress(card, folder, "card", null);
        var expected = Compress(processor, folder, "processor", null);
        Assert.InRange(
            actual.Candidates[1].HeldOutDivergence.Mean, 0.5 * expected.Candidates[1].HeldOutDivergence.Mean, 2 * expected.Candidates[1].HeldOutDivergence.Mean);
        Assert.All(actual.Loads!, load => Assert.InRange(load.Ratio, 0.2, 5));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Heads of 64 and widths of whole tiles, so that products go the way that those of large models go; weights of a size that matters.</summary>
    private string Save()
    {
        string folder = Path.Combine(_folder, "parent");
        var configuration = SmallModel.Configuration(hidden: 256, vocabulary: 700) with
        {
            HeadCount = 4,
            HeadDim = 64,
            MaxPositions = 256,
            Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(2), new SwiGluConfiguration(512)), 3)],
        };
        using var model = Decoder.Allocate(configuration, DType.F32);
        ModelInitializer.Fill(model, 3);
        foreach (var parameter in model.Parameters.Where(parameter => parameter.Decays))
        {
            parameter.Edit(0, parameter.Rows, (_, values) => Enlarge(values));
        }

        ModelFolder.Save(folder, model, DType.BF16);
        return folder;
    }

    private static unsafe void Enlarge(MatrixView values)
    {
        for (long i = 0; i < (long)values.Rows * values.Columns; i++)
        {
            values.Floats[i] *= 3;
        }
    }

    private CompressionResult Compress(Tessera.Devices.Device device, string folder, string name, long? memory)
    {
        using var parent = ParentModel.Open(folder, device, device.ActivationType);
        var scenario = new ServingScenario(2, 64, 32, DType.BF16, device.Threads) { Card = (device as CudaDevice)?.Card.Name };
        return new CompressionPipeline(
            device,
            new CompressionInputs
            {
                Parent = parent,
                ParentHash = "parent",
                ParentFolder = folder,
                DataHash = "data",
                Calibration = [Batch(1), Batch(2)],
                Scoring = [Batch(3), Batch(4)],
                HeldOut = [Batch(5)],
            },
            new CompressionSettings
            {
                Targets = [Target.Parse("parameters<=70%")],
                Variants = TriedVariants.Parse(Tried, "--variants", parent.Configuration),
                Scenario = scenario,
                BlockDistillation = new BlockDistillationSettings(4, 1e-3) { Layers = LayerSet.TryParse("0,2") },
                Healing = new TrainingSettings
                {
                    Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-3, 1e-3, 0, 0),
                    BatchTokens = Tokens,
                    MaxLength = 128,
                },
                CostRounds = 3,
                DecodeSteps = 8,
                Loads = [new("long", scenario with { OutputLength = 100 })],
                Memory = memory,
            },
            Path.Combine(_folder, name),
            "test").Run();
    }

    private byte[] Scores(string name) =>
        File.ReadAllBytes(Directory.GetFiles(Path.Combine(_folder, name), "scores.jsonl", SearchOption.AllDirectories).Single());

    private static PackedBatch Batch(int seed)
    {
        var random = new CounterRandom((ulong)seed, 9);
        var documents = new List<TokenDocument>();
        foreach (int length in (int[])[100, 28, 128])
        {
            int[] ids = new int[length];
            for (int i = 0; i < length; i++)
            {
                ids[i] = random.Next(700);
            }

            documents.Add(TokenDocument.Uniform(ids));
        }

        return BatchPacker.Pack(documents, 128, Tokens);
    }

    private static void AssertSame(IEnumerable<Tensors.Parameter> expected, IEnumerable<Tensors.Parameter> actual) =>
        Assert.All(expected.Zip(actual), pair => Assert.Equal(Bytes(pair.First), Bytes(pair.Second)));

    private static void AssertNear(IEnumerable<Tensors.Parameter> expected, IEnumerable<Tensors.Parameter> actual) =>
        Assert.All(expected.Zip(actual), pair =>
        {
            double error = 0, size = 0;
            foreach (var (e, a) in Values(pair.First).Zip(Values(pair.Second)))
            {
                error += (e - a) * (e - a);
                size += e * e;
            }

            // Sums in f32 of another order, then rounded to 8 bits.
            Assert.True(error <= 1e-5 * size, $"{pair.First.Name}: {error} of {size}");
        });

    private static IEnumerable<double> Values(Tensors.Parameter parameter)
    {
        byte[] bytes = Bytes(parameter);
        return parameter.Type == DType.F32
            ? Enumerable.Range(0, bytes.Length / 4).Select(i => (double)BitConverter.ToSingle(bytes, 4 * i))
            : Enumerable.Range(0, bytes.Length / 2).Select(i => (double)Bf16.Widen(BitConverter.ToUInt16(bytes, 2 * i)));
    }

    private static byte[] Bytes(Tensors.Parameter parameter)
    {
        byte[] bytes = new byte[parameter.Bytes];
        parameter.Memory.Download<byte>(parameter.Address, bytes);
        return bytes;
    }
}
