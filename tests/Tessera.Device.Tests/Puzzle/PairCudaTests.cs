using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Runs.Jobs;
using Tessera.Training.Data;

namespace Tessera.Device.Tests.Puzzle;

/// <summary>Pairs, channels that are cut in rounds, and states in bf16 on a card, beside the processor's.</summary>
[Trait("Category", Card.Category)]
public sealed class PairCudaTests : IDisposable
{
    private const int Width = 384;
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-pairs-").FullName;

    [Fact]
    public void Channels_are_cut_in_rounds_as_on_the_processor()
    {
        using var card = Card.Open();
        using var processor = new CpuDevice(2);
        int[] expected = On(processor, DType.F32, states => new ChannelElimination(processor, states, 1).Order(4));
        int[] actual = On(card, DType.F32, states => new ChannelElimination(card, states, 1).Order(4));
        Assert.Equal(Enumerable.Range(0, Width), actual.Order());

        // Rounding exchanges channels that are all but equal, a few at the border of a width.
        Assert.True(expected[..(Width / 2)].Intersect(actual[..(Width / 2)]).Count() >= (Width / 2) - 4);
    }

    // Products in bf16 of a parent in bf16: most of what is kept is kept on the processor too.
    [Fact]
    public void Channels_are_cut_in_rounds_in_bf16()
    {
        using var card = Card.Open(DType.BF16);
        using var processor = new CpuDevice(2);
        int[] expected = On(processor, DType.F32, states => new ChannelElimination(processor, states, 1).Order(4), DType.BF16);
        int[] actual = On(card, DType.F32, states => new ChannelElimination(card, states, 1).Order(4), DType.BF16);
        Assert.Equal(Enumerable.Range(0, Width), actual.Order());
        Assert.True(expected[..(Width / 2)].Intersect(actual[..(Width / 2)]).Count() >= (Width / 2) - 12);
    }

    [Fact]
    public void A_pair_of_a_parent_in_bf16_has_masters_in_f32_and_a_file_in_bf16()
    {
        using var card = Card.Open(DType.BF16);
        On(
            card, DType.F32,
            states =>
            {
                var pair = new LibraryPair(1, new BlockVariant(new AttentionConfiguration(1), new SwiGluConfiguration(128)));
                using var halfJobs = JobFolder.Open(Path.Combine(_folder, "halves", "jobs"));
                using (var own = new ParentStates(card, states.Parent, states.Steps, halfJobs, forDistillation: true))
                {
                    new LibraryBuilder(card, own, new BlockDistillationSettings(2, 1e-3), halfJobs).Run(_ => { });
                }

                using var jobs = JobFolder.Open(Path.Combine(_folder, "pairs", "jobs"));
                using var again = new ParentStates(card, states.Parent, states.Steps, jobs, forDistillation: true);
                var halves = new BlockLibrary(card, states.Parent, halfJobs);
                Assert.Equal(1, new PairBuilder(card, again, halves, new BlockDistillationSettings(12, 1e-3), jobs).Run([pair], _ => { }));
                var record = jobs.Read(pair.Job);
                Assert.True(record.Numbers("after")[0] < 0.95 * record.Numbers("before")[0], $"{record.Numbers("before")[0]} to {record.Numbers("after")[0]}");
                using var arena = card.CreateArena("pair");
                Assert.All(
                    halves.WithPairs(jobs, [pair]).Layer(1, pair.Block, arena).Parameters,
                    parameter => Assert.Equal(parameter.Decays ? DType.BF16 : DType.F32, parameter.Type));
                return true;
            },
            DType.BF16);
    }

    [Fact]
    public void A_pair_is_distilled_as_on_the_processor()
    {
        using var card = Card.Open();
        using var processor = new CpuDevice(2);
        var expected = On(processor, DType.F32, states => Distil(processor, states));
        var actual = On(card, DType.F32, states => Distil(card, states));
        Assert.True(actual.After < actual.Before, $"{actual.Before} to {actual.After}");
        Assert.Equal(expected.Before, actual.Before, 1e-4 * expected.Before);
        Assert.Equal(expected.After, actual.After, 1e-2 * expected.After);
        Assert.True(actual.Used.Bytes <= actual.Planned.Bytes, $"{actual.Used.Bytes} used, {actual.Planned.Bytes} planned");
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void States_in_bf16_are_what_the_processor_stores_but_for_rounding(DType activations)
    {
        using var card = Card.Open(activations);
        using var processor = new CpuDevice(2);
        float[] expected = On(processor, DType.BF16, states => Read(processor, states));
        float[] actual = On(card, DType.BF16, states => Read(card, states));
        double error = expected.Zip(actual).Sum(pair => Math.Pow(pair.First - pair.Second, 2)), size = expected.Sum(value => Math.Pow(value, 2));

        // Three layers, each with a few roundings to 8 bits.
        Assert.True(error <= 1e-3 * size, $"{error} of {size}");
        Assert.Equal(32L + (2 * expected.Length), new FileInfo(Path.Combine(_folder, Name(card), "states", "depth002.bin")).Length);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Name(Tessera.Devices.Device device) => device is CudaDevice ? "card" : "processor";

    private static BlockDistillationResult Distil(Tessera.Devices.Device device, ParentStates states)
    {
        using var weights = device.CreateArena("pair");
        using var source = device.CreateArena("parent layer");
        var initializer = new VariantInitializer(device, new BlockFactory(states.Parent.Configuration, states.Parent.Rope, weights, DType.F32));
        var parent = states.Parent.Layer(1, source);
        var block = new DecoderLayer(
            initializer.Mixer(parent.Mixer!, new AttentionConfiguration(1), "mixer"),
            initializer.FeedForward(parent.FeedForward!, new SwiGluConfiguration(128), ChannelContribution.Order(states.ChannelScores(1)), "ffn"));
        return new BlockDistillation(device, states, 1, new DecoderLayer(null, null), new BlockDistillationSettings(12, 1e-3)).TrainBlock(block);
    }

    private static float[] Read(Tessera.Devices.Device device, ParentStates states)
    {
        using var arena = device.CreateArena("states");
        var tensor = states.Read(arena, 2, 0);
        byte[] bytes = new byte[tensor.Bytes];
        arena.Memory.Download<byte>(tensor.Address, bytes);
        return tensor.Type == DType.F32
            ? [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, 4 * i))]
            : [.. Enumerable.Range(0, bytes.Length / 2).Select(i => Bf16.Widen(BitConverter.ToUInt16(bytes, 2 * i)))];
    }

    private T On<T>(Tessera.Devices.Device device, DType stored, Func<ParentStates, T> run, DType weights = DType.F32)
    {
        string folder = Path.Combine(_folder, Name(device)), model = Path.Combine(_folder, "model");
        if (!Directory.Exists(model))
        {
            using var parent = Decoder.Allocate(Shape, DType.F32);
            ModelInitializer.Fill(parent, 7);
            ModelFolder.Save(model, parent, DType.F32);
        }

        using var parts = StoredParts.Open(model, weights, device);
        using var steps = new CalibrationSteps(device, [Batch(1)]);
        using var jobs = JobFolder.Open(Path.Combine(folder, "jobs"));
        using var states = new ParentStates(device, parts, steps, jobs, forDistillation: true, stored);
        states.ComputeAll();
        return run(states);
    }

    private static ModelConfiguration Shape => new()
    {
        VocabularySize = 700,
        HiddenSize = 256,
        HeadCount = 4,
        HeadDim = 64,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 10000,
        MaxPositions = 128,
        TieEmbeddings = true,
        StorageType = DType.F32,
        BosTokenId = 1,
        EosTokenIds = [2],
        Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(2), new SwiGluConfiguration(Width)), 3)],
    };

    private static PackedBatch Batch(int seed)
    {
        var random = new CounterRandom((ulong)seed, 9);
        return BatchPacker.Pack(
            [.. ((int[])[100, 28, 128]).Select(length => TokenDocument.Uniform([.. Enumerable.Range(0, length).Select(_ => random.Next(700))]))], 128, 256);
    }
}
