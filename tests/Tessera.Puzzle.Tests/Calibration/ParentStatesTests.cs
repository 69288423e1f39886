using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Jobs;
using Tessera.Tensors;
using static Tessera.Puzzle.Tests.Fusion.LayerFusionTests;

namespace Tessera.Puzzle.Tests.Calibration;

/// <summary>States that are computed layer by layer and lie in files.</summary>
public sealed unsafe class ParentStatesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-parent-states-").FullName;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void States_in_files_are_those_of_a_whole_forward_bit_for_bit(bool forDistillation)
    {
        // The second layer has one half, and the third none: their outputs are sums of fewer branches.
        using var small = SmallParent.Of(
            Attention(48), Ffn(32), new LayerConfiguration(new NoMixerConfiguration(), new NoFeedForwardConfiguration()), Attention(16));
        using var parts = Stored(small);
        using var steps = new CalibrationSteps(small.Device, [SmallParent.Batch(1), SmallParent.Batch(2)]);
        using var jobs = JobFolder.Open(Path.Combine(_folder, "jobs"));
        using var states = new ParentStates(small.Device, parts, steps, jobs, forDistillation);
        states.ComputeAll();
        using var arena = new Arena("test");
        for (int batch = 0; batch < steps.Count; batch++)
        {
            var capture = new HiddenCapture();
            small.Model.Forward(new Executor(small.Device, arena, null), steps.Steps[batch], null, capture);
            for (int depth = 0; depth <= 4; depth++)
            {
                Assert.Equal(Values(capture[depth]), Values(states.Read(arena, depth, batch)));
            }
        }

        Assert.Equal(forDistillation ? 48 : 0, states.ChannelScores(0).Length);
        Assert.Empty(states.ChannelScores(2));
        states.Delete();
        Assert.False(Directory.Exists(Path.Combine(_folder, "states")));
        Assert.Empty(jobs.Done());
    }

    [Fact]
    public void Scores_have_the_same_bits_in_any_window_and_with_any_cache()
    {
        using var small = new SmallParent();
        using var parts = Stored(small);
        using var states = small.States(5, 3);
        var replacements = (Func<Arena, DecoderLayer>[])
        [
            _ => new DecoderLayer(null, small.Model.Layers[0].FeedForward), _ => new DecoderLayer(small.Model.Layers[1].Mixer, null),
            _ => new DecoderLayer(null, null),
        ];
        BlockScore[] Score(ParentStates from, StreamingMemory memory, Func<Arena, DecoderLayer>[] variants)
        {
            using var scorer = new ReplaceOneScorer(small.Device, from, memory);
            return scorer.Score(0, variants);
        }

        var expected = Score(states.States, StreamingMemory.Least, replacements);
        Assert.All(expected, score => Assert.True(score.Divergence.Mean > 0));
        Assert.Equal(expected, Score(states.States, new StreamingMemory(1 << 30, 1 << 30), replacements));
        Assert.Equal(expected, replacements.SelectMany(one => Score(states.States, new StreamingMemory(40_000, 30_000), [one])));

        using var jobs = JobFolder.Open(Path.Combine(_folder, "jobs"));
        using var fromDisk = new ParentStates(small.Device, parts, states.Steps, jobs, forDistillation: false);
        fromDisk.ComputeAll();
        Assert.Equal(expected, Score(fromDisk, new StreamingMemory(0, 1 << 20), replacements));
    }

    // In bf16 every depth is the layer's output of the rounded depth before, rounded itself.
    [Fact]
    public void States_in_bf16_take_half_the_room_and_begin_every_layer_with_rounded_numbers()
    {
        using var small = new SmallParent();
        using var steps = new CalibrationSteps(small.Device, [SmallParent.Batch(1), SmallParent.Batch(2)]);
        using var jobs = JobFolder.Open(Path.Combine(_folder, "jobs"));
        using var states = new ParentStates(small.Device, new ResidentParts(small.Model), steps, jobs, forDistillation: true, DType.BF16);
        states.ComputeAll();
        Assert.Equal(32 + (2 * 64 * 32 * sizeof(ushort)), new FileInfo(Path.Combine(_folder, "states", "depth002.bin")).Length);
        using var arena = new Arena("test");
        var executor = new Executor(small.Device, arena, null);
        for (int batch = 0; batch < steps.Count; batch++)
        {
            var embedded = executor.Embed(steps.Steps[batch].Ids, steps.Steps[batch].Tokens, small.Model.Embedding);
            Assert.Equal(Values(embedded).Select(Rounded), Values(states.Read(arena, 0, batch)));
            for (int layer = 0; layer < 3; layer++)
            {
                var (mixer, feedForward) = (small.Model.Layers[layer].Mixer, small.Model.Layers[layer].FeedForward);
                var middle = LayerHalves.Half(executor, small.Configuration, steps.Steps[batch], mixer, states.Read(arena, layer, batch));
                var output = LayerHalves.Half(executor, small.Configuration, steps.Steps[batch], feedForward, middle);
                Assert.Equal(Values(middle).Select(Rounded), Values(states.ReadMiddle(arena, layer, batch)));
                Assert.Equal(Values(output).Select(Rounded), Values(states.Read(arena, layer + 1, batch)));
            }
        }

        // A file of the other type is not taken for one of this.
        using var other = new ParentStates(small.Device, new ResidentParts(small.Model), steps, jobs, forDistillation: true);
        var error = Assert.Throws<InvalidDataException>(() => other.Read(arena, 0, 0));
        Assert.Contains("in f32", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cap_is_divided_and_one_that_holds_no_layer_is_refused()
    {
        using var small = new SmallParent();
        using var steps = new CalibrationSteps(small.Device, [SmallParent.Batch(1)]);
        long need = StreamingMemory.Need(small.Configuration, steps.LargestBatch, DType.F32);

        // Head 40 · 32, two layers of 4 · 32 · 32 + 3 · 32 · 48 and their norms, 64 tokens of 3 · 48 and eight times 32.
        Assert.Equal(4 * ((40 * 32) + (2 * ((4 * 32 * 32) + (3 * 32 * 48) + 64)) + (64 * ((3 * 48) + (8 * 32)))), need);
        var memory = StreamingMemory.Of(small.Device, new ResidentParts(small.Model), steps, need + 100_000);
        Assert.Equal(new StreamingMemory(50_000, 50_000), memory);
        Assert.Equal(0, StreamingMemory.Of(small.Device, new ResidentParts(small.Model), steps, null).CacheBytes);
        var error = Assert.Throws<ArgumentException>(() => StreamingMemory.Of(small.Device, new ResidentParts(small.Model), steps, need - 1));
        Assert.Contains("raise --memory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_file_is_named_and_made_again()
    {
        using var small = new SmallParent();
        using var steps = new CalibrationSteps(small.Device, [SmallParent.Batch(1)]);
        using var jobs = JobFolder.Open(Path.Combine(_folder, "jobs"));
        ParentStates Open() => new(small.Device, new ResidentParts(small.Model), steps, jobs, forDistillation: true);
        using (var states = Open())
        {
            states.ComputeAll();
        }

        string file = Path.Combine(_folder, "states", "depth001.bin");
        byte[] good = File.ReadAllBytes(file);
        byte[] bad = [.. good];
        bad[^5] ^= 1;
        File.WriteAllBytes(file, bad);
        using var again = Open();
        using var arena = new Arena("test");
        var damage = Assert.Throws<DamagedJobException>(() => again.Read(arena, 1, 0));
        Assert.Contains(file, damage.Message, StringComparison.Ordinal);
        Assert.Contains("states.001", damage.Message, StringComparison.Ordinal);
        damage.Discard();
        again.ComputeAll();
        Assert.Equal(good, File.ReadAllBytes(file));
        Assert.Equal(32 * 64, again.Read(arena, 1, 0).Count);
    }

    [Fact]
    public void Ids_without_a_row_are_refused_before_anything_runs()
    {
        using var small = new SmallParent();
        var batch = SmallParent.Batch(1);
        batch.Ids[7] = SmallParent.Vocabulary;
        using var steps = new CalibrationSteps(small.Device, [batch]);
        var error = Assert.Throws<ArgumentException>(() => steps.Prepare(new ResidentParts(small.Model)));
        Assert.Contains("token 7 has id 40", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private StoredParts Stored(SmallParent small)
    {
        string folder = Path.Combine(_folder, "model");
        ModelFolder.Save(folder, small.Model, DType.F32);
        return StoredParts.Open(folder, DType.F32, small.Device);
    }

    private static float Rounded(float value) => Bf16.Widen(Bf16.Round(value));

    private static float[] Values(Tensor tensor) => new ReadOnlySpan<float>(tensor.Data.Floats, (int)tensor.Count).ToArray();
}
