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

public class LayerFusionTests
{
    private static readonly NoMixerConfiguration None = new();

    [Theory]
    [InlineData(false, 48, 48)]
    [InlineData(false, 16, 80, 1, 33)]
    [InlineData(true, 24, 40, 7)]
    [InlineData(true, 5, 300)]
    public void A_fused_feed_forward_is_the_sum_of_its_parts_on_one_input(bool hasBias, params int[] widths)
    {
        using var small = SmallParent.Of([.. widths.Select(width => Ffn(width, hasBias))]);
        using var fused = LayerFusion.Fuse(small.Model, [new FusionRun(0, widths.Length - 1)]);
        var block = Assert.IsType<SwiGluBlock>(Assert.Single(fused.Model.Layers).FeedForward);
        Assert.Equal(widths.Sum(), block.Width);
        Assert.All(FusedSum.Values(block.Norm), gain => Assert.Equal(1, gain));
        double epsilon = small.Configuration.RmsNormEpsilon;
        var (input, actual) = Contribution(small, fused.Model);
        double error = 0, size = 0;
        for (int t = 0; t < input.Length; t++)
        {
            double[] expected = new double[input[t].Length];
            foreach (var layer in small.Model.Layers)
            {
                double[] part = FusedSum.SwiGlu((SwiGluBlock)layer.FeedForward!, input[t], epsilon);
                expected = [.. expected.Zip(part, (a, b) => a + b)];
            }

            error += expected.Zip(actual[t], (e, a) => (e - a) * (e - a)).Sum();
            size += expected.Sum(e => e * e);
        }

        Assert.True(size > 1e-3, $"the branches are of size {size}");
        Assert.InRange(Math.Sqrt(error / size), 0, 1e-6);
    }

    [Fact]
    public void A_part_without_biases_counts_as_one_with_zeros()
    {
        using var small = SmallParent.Of(Ffn(8, true), Ffn(12, false));
        using var fused = LayerFusion.Fuse(small.Model, [new FusionRun(0, 1)]);
        var block = (SwiGluBlock)fused.Model.Layers[0].FeedForward!;
        double[] bias = FusedSum.Values(block.GateUpBias!), first = FusedSum.Values(((SwiGluBlock)small.Model.Layers[0].FeedForward!).GateUpBias!);
        Assert.Equal([.. first[..8], .. new double[12], .. first[8..], .. new double[12]], bias);
        Assert.Equal(FusedSum.Values(((SwiGluBlock)small.Model.Layers[0].FeedForward!).DownBias!), FusedSum.Values(block.DownBias!));
    }

    [Fact]
    public void Runs_of_one_and_no_runs_change_nothing()
    {
        using var small = SmallParent.Of(Attention(48), Ffn(48), Ffn(48));
        foreach (var runs in (FusionRun[][])[[], [new(0, 0), new(1, 1), new(2, 2)]])
        {
            using var fused = LayerFusion.Fuse(small.Model, runs);
            Assert.Equal(small.Configuration, fused.Model.Configuration);
            Assert.Equal([0, 1, 2], fused.LayerMap);
            Assert.All(small.Model.Layers.Zip(fused.Model.Layers), pair => Assert.Same(pair.First, pair.Second));
        }
    }

    [Fact]
    public void No_weight_is_lost_but_for_the_gains_that_are_folded()
    {
        using var small = SmallParent.Of(Ffn(48), Attention(16), Ffn(20), new(None, new NoFeedForwardConfiguration()), Ffn(30), Ffn(31), Attention(9));
        int arenas = Arena.LiveArenas;
        using (var fused = LayerFusion.Fuse(small.Model, [new FusionRun(0, 0), new FusionRun(2, 5)]))
        {
            Assert.Equal([0, 1, 5, 6], fused.LayerMap);
            Assert.Equal([Ffn(48), Attention(16), Ffn(81), Attention(9)], fused.Model.Configuration.Layers);
            Assert.Equal(small.Configuration.ParameterCount - (2 * 32), fused.Model.Configuration.ParameterCount);
            Assert.Equal(fused.Model.Configuration.ParameterCount, fused.Model.Parameters.Sum(p => p.Count));
            foreach (int layer in (int[])[0, 1, 3])
            {
                Assert.Same(small.Model.Layers[fused.LayerMap[layer]], fused.Model.Layers[layer]);
            }
        }

        Assert.Equal(arenas, Arena.LiveArenas);
    }

    // f(X) = g(X) + Σ FFN_k(g(X)) with the first layer's attention in g: the others see what the first feed-forward sees.
    [Fact]
    public void The_first_layer_of_a_run_keeps_its_mixer()
    {
        using var small = SmallParent.Of(Attention(48), Ffn(20), Attention(48));
        using var fused = LayerFusion.Fuse(small.Model, [new FusionRun(0, 1)]);
        Assert.Same(small.Model.Layers[0].Mixer, fused.Model.Layers[0].Mixer);
        using var halves = small.Model.WithLayers(
            small.Configuration with { Layers = [new(new AttentionConfiguration(2), new NoFeedForwardConfiguration())] },
            [small.Model.Layers[0] with { FeedForward = null }]);
        double[][] middle = States(small, halves, 1), actual = States(small, fused.Model, 1);
        for (int t = 0; t < middle.Length; t++)
        {
            double[] expected = middle[t];
            foreach (int layer in (int[])[0, 1])
            {
                double[] part = FusedSum.SwiGlu(
                    (SwiGluBlock)small.Model.Layers[layer].FeedForward!, middle[t], small.Configuration.RmsNormEpsilon);
                expected = [.. expected.Zip(part, (a, b) => a + b)];
            }

            Assert.All(expected.Zip(actual[t]), pair => Assert.Equal(pair.First, pair.Second, 2e-5));
        }
    }

    [Fact]
    public void A_fused_model_is_stored_as_a_plain_wider_layer_in_every_form()
    {
        using var small = SmallParent.Of(Attention(48), Ffn(16), Ffn(80), Attention(24));
        using var fused = LayerFusion.Fuse(small.Model, [new FusionRun(1, 2)]);
        double[][] expected = States(small, fused.Model, 3);
        string folder = Directory.CreateTempSubdirectory("tessera-fused-").FullName;
        try
        {
            ModelFolder.Save(Path.Combine(folder, "hf"), fused.Model, DType.F32);
            using var again = ModelFolder.Load(Path.Combine(folder, "hf"));
            Assert.Equal(fused.Model.Configuration.Layers, again.Configuration.Layers);
            Assert.Equal(expected, States(small, again, 3));
            string gguf = Path.Combine(folder, "model.gguf");
            GgufExport.Write(gguf, fused.Model, GgufTensorType.F32, "fused");
            using var single = ModelFolder.Load(gguf, DType.F32);
            Assert.Equal(new SwiGluConfiguration(96), single.Configuration.Layers[1].FeedForward);
            AssertClose(expected, States(small, single, 3));
            using var padded = PaddedLlama.Build(fused.Model, DType.F32);
            AssertClose(expected, States(small, padded, 3));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Weights_that_are_not_f32_are_refused()
    {
        using var small = SmallParent.Of(Ffn(48), Ffn(48));
        using var narrow = ModelFolder.Convert(small.Model, DType.BF16);
        int arenas = Arena.LiveArenas;
        var error = Assert.Throws<ArgumentException>(() => LayerFusion.Fuse(narrow, [new FusionRun(0, 1)]));
        Assert.Contains("is stored in bf16, fusion needs f32", error.Message, StringComparison.Ordinal);
        Assert.Equal(arenas, Arena.LiveArenas);
    }

    internal static LayerConfiguration Ffn(int width, bool hasBias = false) => new(None, new SwiGluConfiguration(width) { HasBias = hasBias });

    internal static LayerConfiguration Attention(int width) => new(new AttentionConfiguration(2), new SwiGluConfiguration(width));

    /// <summary>The residual stream at a depth of a model over a batch, row by row.</summary>
    internal static double[][] States(SmallParent small, Decoder model, int depth)
    {
        using var states = new SmallStates(small.Device, model, [SmallParent.Batch(3)]);
        using var arena = new Arena("test");
        return Rows(states.States.Read(arena, depth, 0));
    }

    private static unsafe double[][] Rows(Tensor tensor) => [.. Enumerable.Range(0, tensor.Rows).Select(
        row => Enumerable.Range(0, tensor.Columns).Select(c => (double)tensor.Data.Floats[((long)row * tensor.Columns) + c]).ToArray())];

    /// <summary>What the first layer adds to the embeddings of a batch, beside these.</summary>
    private static (double[][] Input, double[][] Added) Contribution(SmallParent small, Decoder model)
    {
        using var states = new SmallStates(small.Device, small.Model, [SmallParent.Batch(3)]);
        using var arena = new Arena("test");
        var input = states.States.Read(arena, 0, 0);
        var added = LayerHalves.Contribution(new Executor(small.Device, arena, null), model, states.Steps.Steps[0], input, 0);
        return (Rows(input), Rows(added));
    }

    private static void AssertClose(double[][] expected, double[][] actual) => Assert.All(
        expected.Zip(actual), row => Assert.All(row.First.Zip(row.Second), pair => Assert.Equal(pair.First, pair.Second, 2e-5)));
}
