using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Fusion;
using Tessera.Tensors;

namespace Tessera.Puzzle.Tests.Fusion;

/// <summary>Whole blocks side by side: one wider attention, then one wider feed-forward.</summary>
public sealed class BlockFusionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-blocks-").FullName;

    public static TheoryData<LayerConfiguration[]> Blocks() => new(
        [Block(4, 20), Block(4, 30)],
        [Block(2, 20), Block(4, 30), Block(1, 7)],
        [Block(2, 16, window: 5), Block(2, 16, window: 5)],
        [Block(2, 12, bias: true), Block(1, 9), Block(4, 8, bias: true)]);

    [Theory]
    [MemberData(nameof(Blocks))]
    public unsafe void A_fused_block_is_the_sum_of_its_attentions_and_then_of_its_feed_forwards(LayerConfiguration[] blocks)
    {
        using var small = SmallParent.Of(blocks);
        using var fused = LayerFusion.Fuse(small.Model, [new FusionRun(0, blocks.Length - 1)], wholeBlocks: true);
        var layer = Assert.Single(fused.Model.Layers);
        Assert.Equal([blocks.Length - 1], fused.LayerMap);
        Assert.Equal(4 * blocks.Length, ((AttentionBlock)layer.Mixer!).Shape.Heads);
        Assert.All(FusedSum.Values(layer.Mixer!.Norm), gain => Assert.Equal(1, gain));

        // The parts on one input, each as a model of its own layers runs it; the sums in double.
        using var arena = small.Device.CreateArena("test");
        var batch = SmallParent.Batch(5);
        var step = StepBatch.Packed(arena, batch.Ids, batch.Lengths);
        small.Model.Prepare(arena, step, null);
        var executor = new Executor(small.Device, arena, null);
        var input = executor.Embed(step.Ids, step.Tokens, small.Model.Embedding);
        float epsilon = (float)small.Configuration.RmsNormEpsilon;
        double[] between = Add(Floats(input), small.Model.Layers.Select(part => Branch(executor, part.Mixer!, step, input, epsilon)));
        var joined = Copy(executor, between, input);
        double[] expected = Add(
            [.. between.Zip(Floats(input), (b, x) => b - x)], small.Model.Layers.Select(part => Branch(executor, part.FeedForward!, step, joined, epsilon)));
        var actual = LayerHalves.Contribution(executor, fused.Model, step, input, 0);
        double size = Math.Sqrt(expected.Sum(e => e * e)), error = Math.Sqrt(expected.Zip(Floats(actual), (e, a) => (e - a) * (e - a)).Sum());
        Assert.True(size > 1e-2, $"the branches are of size {size}");
        Assert.InRange(error / size, 0, 2e-6);
    }

    [Fact]
    public void Equal_heads_everywhere_make_plain_layers_for_every_form_and_others_stand_in_their_blocks()
    {
        // All layers fused two by two: a plain model of twice the heads.
        using var small = SmallParent.Of(Block(2, 16), Block(2, 16), Block(2, 16), Block(2, 16));
        using (var even = LayerFusion.Fuse(small.Model, [new FusionRun(0, 1), new FusionRun(2, 3)], wholeBlocks: true))
        {
            Assert.Equal(8, even.Model.Configuration.HeadCount);
            Assert.Equal("kv4 ffn32", even.Model.Configuration.Layers[0].ToString());
            AssertFormsAgree(even.Model, "even", hasGguf: true);
        }

        // One run among other layers: their query heads differ.
        using var mixed = SmallParent.Of(Block(1, 16), Block(2, 16), Block(4, 12), new(new NoMixerConfiguration(), new SwiGluConfiguration(9)), Block(2, 16));
        using var uneven = LayerFusion.Fuse(mixed.Model, [new FusionRun(1, 2)], wholeBlocks: true);
        Assert.Equal(["kv1 ffn16", "kv8-q8 ffn28", "none ffn9", "kv2 ffn16"], uneven.Model.Configuration.Layers.Select(layer => layer.ToString()));
        Assert.Equal(uneven.Model.Configuration.ParameterCount, uneven.Model.Parameters.Sum(parameter => parameter.Count));
        AssertFormsAgree(uneven.Model, "uneven", hasGguf: false);
        var error = Assert.Throws<NotSupportedException>(() => GgufExport.Write(Path.Combine(_folder, "no.gguf"), uneven.Model, GgufTensorType.F32, "no"));
        Assert.StartsWith("layer 1 has 8 heads of 8 elements", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_one_attention_cannot_be_is_refused_by_run_and_layer()
    {
        using var small = SmallParent.Of(
            Block(2, 16), new(new NoMixerConfiguration(), new SwiGluConfiguration(9)), Block(2, 16, window: 5), Block(2, 16),
            new(new AttentionConfiguration(2) { HasHeadNorms = true }, new SwiGluConfiguration(16)));
        foreach (var (run, sentence) in ((FusionRun, string)[])
        [
            (new(0, 1), "run 0-1: layer 1 has no attention (none)"), (new(2, 3), "run 2-3: layer 3 has another sliding window"),
            (new(3, 4), "run 3-4: layer 4 has norms of its query and key heads"),
        ])
        {
            var error = Assert.Throws<ArgumentException>(() => LayerFusion.Fuse(small.Model, [run], wholeBlocks: true));
            Assert.StartsWith(sentence, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Windows_of_the_least_largest_dependency_are_taken_and_those_that_overlap_are_not()
    {
        var layers = Enumerable.Repeat(Block(2, 16), 7).ToArray();
        layers[6] = new(new NoMixerConfiguration(), new SwiGluConfiguration(16));
        using var small = SmallParent.Of(layers);
        double[] next = [0.5, 0.1, 0.2, 0.2, 0.3, 0.01];
        var matrix = new DependencyMatrix
        {
            Documents = 1,
            Tokens = 1,
            Values = [.. Enumerable.Range(0, 7).Select(i => (IReadOnlyList<double?>)[.. Enumerable.Range(0, 7).Select(
                j => j == i + 1 ? next[i] : j > i ? 0.05 : (double?)null)])],
        };
        IReadOnlyList<FusionRun> Find(int length, int windows, double? threshold = null, int? width = null) => FusionRuns.Of(
            small.Configuration, new FusionRunSettings { Blocks = new() { Length = length, Windows = windows }, Threshold = threshold, MaxWidth = width }, matrix);

        // 5-6 has the least dependency and no attention in its last layer; 1-2 comes next, then 3-4; 2-3 overlaps.
        Assert.Equal([new(1, 2)], Find(2, 1));
        Assert.Equal([new(1, 2), new(3, 4)], Find(2, 2));
        Assert.Equal([new(1, 2), new(3, 4)], Find(2, 3));
        Assert.Equal([new(1, 2)], Find(2, 3, threshold: 0.15));
        // 1-3 and 2-4 have the same largest dependency, 1-3 the lesser sum.
        Assert.Equal([new(1, 3)], Find(3, 1));
        Assert.Empty(Find(2, 3, width: 31));
        Assert.Equal([new(0, 1), new(1, 2), new(2, 3), new(3, 4), new(4, 5)], FusionRuns.Of(
            small.Configuration, new FusionRunSettings { Blocks = new() { Length = 2 } }, null));
    }

    [Fact]
    public void Generation_over_the_cache_gives_the_logits_of_the_whole_forward()
    {
        using var small = SmallParent.Of(Block(1, 16), Block(2, 16), Block(4, 12), Block(2, 16));
        using var fused = LayerFusion.Fuse(small.Model, [new FusionRun(1, 2)], wholeBlocks: true);
        int[] prompt = SmallParent.Batch(3).Ids[..12];
        using var generator = new Inference.Generator(small.Device, fused.Model, Inference.EngineSettings.Throughput with { CacheType = DType.F32 });
        var sequence = generator.Generate([prompt], new Inference.GenerationSettings { MaxNewTokens = 5, Temperature = 0 })[0];
        float[] whole = Logits(small.Device, fused.Model, [.. prompt, .. sequence.Ids]);
        Assert.NotEmpty(sequence.Ids);
        foreach (var (i, id) in sequence.Ids.Index())
        {
            float[] row = whole[((prompt.Length + i - 1) * SmallParent.Vocabulary)..((prompt.Length + i) * SmallParent.Vocabulary)];
            double log = Math.Log(row.Sum(z => Math.Exp(z)));
            Assert.Equal(row.Max(), row[id]);
            Assert.Equal(row[id] - log, sequence.LogProbs[i], 1e-4);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void AssertFormsAgree(Decoder model, string name, bool hasGguf)
    {
        using var device = new CpuDevice(1);
        int[] ids = SmallParent.Batch(4).Ids[..20];
        float[] expected = Logits(device, model, ids);
        string folder = Path.Combine(_folder, name);
        ModelFolder.Save(folder, model, DType.F32);
        Assert.Equal(model.Configuration.Layers, ModelFolder.ReadConfiguration(folder).Layers);
        using (var read = ModelFolder.Load(folder, DType.F32))
        {
            Assert.Equal(expected, Logits(device, read, ids));
        }

        using (var padded = PaddedLlama.Build(model, DType.F32))
        {
            Assert.All(expected.Zip(Logits(device, padded, ids)), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
            ModelFolder.Save(folder + "-llama", padded, DType.F32);
            Assert.DoesNotContain("block_configs", File.ReadAllText(Path.Combine(folder + "-llama", "config.json")), StringComparison.Ordinal);
        }

        if (hasGguf)
        {
            string file = folder + ".gguf";
            GgufExport.Write(file, model, GgufTensorType.F32, name);
            using var read = ModelFolder.Load(file, DType.F32);
            Assert.All(expected.Zip(Logits(device, read, ids)), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        }
    }

    private static LayerConfiguration Block(int kvHeads, int width, int? window = null, bool bias = false) => new(
        new AttentionConfiguration(kvHeads) { Window = window, HasQkvBias = bias, HasOutputBias = bias }, new SwiGluConfiguration(width) { HasBias = bias });

    private static float[] Logits(Device device, Decoder model, int[] ids) => [.. Scores(device, model, ids)];

    private static unsafe IEnumerable<float> Scores(Device device, Decoder model, int[] ids)
    {
        using var arena = device.CreateArena("logits");
        var hidden = model.Forward(new Executor(device, arena, null), StepBatch.Packed(arena, ids, [ids.Length]), null, null);
        var scores = new List<float>();
        for (int row = 0; row < hidden.Rows; row++)
        {
            for (int token = 0; token < SmallParent.Vocabulary; token++)
            {
                double sum = 0;
                for (int i = 0; i < hidden.Columns; i++)
                {
                    sum += (double)((float*)hidden.Address)[(row * hidden.Columns) + i] * model.Head.Floats[(token * hidden.Columns) + i];
                }

                scores.Add((float)sum);
            }
        }

        return scores;
    }


    private static double[] Branch(Executor executor, SubBlock part, StepBatch step, Tensor input, float epsilon) =>
        Floats(part.Apply(executor, executor.RmsNorm(input, part.Norm, epsilon), step, null, 0, default));

    private static double[] Add(double[] start, IEnumerable<double[]> parts) =>
        parts.Aggregate(start, (sum, part) => [.. sum.Zip(part, (a, b) => a + b)]);

    private static unsafe double[] Floats(Tensor tensor) =>
        [.. new ReadOnlySpan<float>((void*)tensor.Address, (int)tensor.Count).ToArray().Select(value => (double)value)];

    private static unsafe Tensor Copy(Executor executor, double[] values, Tensor like)
    {
        var tensor = executor.Allocate(like.Rows, like.Columns);
        for (int i = 0; i < values.Length; i++)
        {
            ((float*)tensor.Address)[i] = (float)values[i];
        }

        return tensor;
    }
}
