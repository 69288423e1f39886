using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Tensors;

namespace Tessera.Models.Tests;

public sealed unsafe class DecoderTests : IDisposable
{
    private const int Vocabulary = 41;
    private static readonly int[] Lengths = [11, 6];
    private readonly CpuDevice _device = new(1);
    private readonly Arena _arena = new("test");
    private readonly int[] _ids = SmallModel.Ids(17, Vocabulary);

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Recycling_memory_changes_no_bit_against_a_forward_that_keeps_everything(DType type)
    {
        using var model = SmallModel.Create(SmallModel.Configuration(), type: type);
        float[] recycled = SmallModel.Copy(Forward(model, null));
        float[] kept = SmallModel.Copy(Forward(model, new HiddenCapture()));
        Assert.Equal(kept, recycled);
        Assert.DoesNotContain(kept, float.IsNaN);
    }

    [Fact]
    public void A_recorded_forward_has_the_bits_of_an_unrecorded_one()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        float[] unrecorded = SmallModel.Copy(Forward(model, null));
        using var gradients = new Arena("gradients");
        using var tape = new Tape(_device);
        foreach (var parameter in model.Parameters)
        {
            parameter.Train(gradients);
        }

        var recorded = model.Forward(new Executor(_device, _arena, tape), StepBatch.Packed(_arena, _ids, Lengths));
        Assert.True(recorded.Node >= 0);
        Assert.Equal(unrecorded, SmallModel.Copy(recorded));
    }

    [Fact]
    public void Continuing_from_any_captured_state_gives_the_bits_of_the_whole()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        var capture = new HiddenCapture();
        float[] whole = SmallModel.Copy(Forward(model, capture));
        float[][] states = States(model, capture);
        for (int layer = 0; layer <= model.Layers.Count; layer++)
        {
            var second = new HiddenCapture();
            var step = StepBatch.Packed(_arena, _ids, Lengths);
            var executor = new Executor(_device, _arena, null);
            Assert.Equal(whole, SmallModel.Copy(model.Continue(executor, step, capture[layer], layer)));
            Assert.Equal(whole, SmallModel.Copy(model.Continue(executor, step, capture[layer], layer, null, second)));
            for (int depth = layer; depth < states.Length; depth++)
            {
                Assert.Equal(states[depth], SmallModel.Copy(second[depth]));
            }

            Assert.Equal(states, States(model, capture));
        }
    }

    [Fact]
    public void The_output_of_one_layer_is_the_next_captured_state_with_and_without_a_tape()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        var capture = new HiddenCapture();
        Forward(model, capture);
        using var tape = new Tape(_device);
        for (int layer = 0; layer < model.Layers.Count; layer++)
        {
            foreach (Tape? chosen in (Tape?[])[null, tape])
            {
                var step = StepBatch.Packed(_arena, _ids, Lengths);
                var output = model.LayerOutput(new Executor(_device, _arena, chosen), step, capture[layer], layer);
                Assert.Equal(SmallModel.Copy(capture[layer + 1]), SmallModel.Copy(output));
            }
        }
    }

    [Fact]
    public void Documents_packed_behind_one_another_do_not_see_each_other()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        float[] first = SmallModel.Logits(_device, model, _ids, Lengths);
        int[] changed = [.. _ids];
        changed[3] = (changed[3] + 1) % Vocabulary;
        float[] second = SmallModel.Logits(_device, model, changed, Lengths);
        Assert.Equal(first[..(3 * Vocabulary)], second[..(3 * Vocabulary)]);
        Assert.NotEqual(first[(3 * Vocabulary)..(4 * Vocabulary)], second[(3 * Vocabulary)..(4 * Vocabulary)]);
        Assert.NotEqual(first[(10 * Vocabulary)..(11 * Vocabulary)], second[(10 * Vocabulary)..(11 * Vocabulary)]);
        Assert.Equal(first[(11 * Vocabulary)..], second[(11 * Vocabulary)..]);
    }

    [Fact]
    public void Logits_have_the_same_bits_for_any_number_of_threads()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(hidden: 64, vocabulary: 301), scale: 0.1f);
        int[] ids = SmallModel.Ids(200, 301);
        float[] one = SmallModel.Logits(_device, model, ids, 150, 50);
        foreach (int threads in (ReadOnlySpan<int>)[2, 3, 5, 8])
        {
            using var device = new CpuDevice(threads);
            Assert.Equal(one, SmallModel.Logits(device, model, ids, 150, 50));
        }
    }

    [Fact]
    public void A_forward_and_backward_of_a_whole_model_has_the_same_bits_for_any_number_of_threads()
    {
        const int Width = 64, Entries = 301;
        int[] ids = SmallModel.Ids(200, Entries);
        float[][]? expected = null;
        foreach (int threads in (ReadOnlySpan<int>)[1, 2, 3, 5, 8])
        {
            using var device = new CpuDevice(threads);
            using var model = SmallModel.Create(SmallModel.Configuration(hidden: Width, vocabulary: Entries), scale: 0.1f);
            float[][] actual = LossesAndGradients(device, model, ids);
            expected ??= actual;
            Assert.All(actual, values => Assert.Contains(values, value => value != 0));
            Assert.Equal(expected, actual);
        }
    }

    private static unsafe float[][] LossesAndGradients(CpuDevice device, Decoder model, int[] ids)
    {
        using var gradients = new Arena("gradients");
        using var arena = new Arena("activations");
        using var tape = new Tape(device);
        foreach (var parameter in model.Parameters)
        {
            parameter.Train(gradients);
        }

        var hidden = model.Forward(new Executor(device, arena, tape), StepBatch.Packed(arena, ids, [150, 50]));
        int* targets = (int*)arena.Allocate(ids.Length * sizeof(int));
        float* weights = arena.Floats(ids.Length), losses = arena.Floats(ids.Length);
        for (int i = 0; i < ids.Length; i++)
        {
            (targets[i], weights[i]) = (ids[(i + 1) % ids.Length], 1f);
        }

        LinearCrossEntropy.Run(
            device, hidden.Data, model.Head.View, targets, weights, losses, tape.GradientOf(hidden), model.Head.Gradient,
            ids.Length, hidden.Columns, model.Head.Rows, 1f / ids.Length);
        tape.Backward();
        float[][] result =
        [
            new Span<float>(losses, ids.Length).ToArray(),
            .. model.Parameters.Select(parameter => new Span<float>(parameter.Gradient.Floats, (int)parameter.Count).ToArray()),
        ];
        foreach (var parameter in model.Parameters)
        {
            parameter.Freeze();
        }

        return result;
    }

    [Fact]
    public void A_child_runs_with_other_layers_over_its_parents_weights_and_leaves_them_alive()
    {
        using var parent = SmallModel.Create(SmallModel.Configuration());
        var layers = parent.Layers.ToArray();
        layers[0] = layers[0] with { Mixer = null };
        var shapes = parent.Configuration.Layers.SetItem(0, new(SmallModel.NoMixer, parent.Configuration.Layers[0].FeedForward));
        float[] before = SmallModel.Logits(_device, parent, _ids);
        using (var child = parent.WithLayers(parent.Configuration with { Layers = shapes }, layers))
        {
            Assert.NotEqual(before, SmallModel.Logits(_device, child, _ids));
            Assert.Same(parent.Head, child.Head);
        }

        Assert.Equal(before, SmallModel.Logits(_device, parent, _ids));
    }

    [Fact]
    public void Ids_outside_the_vocabulary_are_refused()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        Assert.Throws<ArgumentException>(() => SmallModel.Logits(_device, model, [1, Vocabulary]));
        Assert.Throws<ArgumentException>(() => SmallModel.Logits(_device, model, [-1, 2]));
    }

    [Fact]
    public void Fresh_weights_have_the_promised_spread_and_depend_on_the_seed_alone()
    {
        var configuration = SmallModel.Configuration(hidden: 64, vocabulary: 500);
        using var first = Decoder.Allocate(configuration, DType.F32);
        using var again = Decoder.Allocate(configuration, DType.F32);
        using var other = Decoder.Allocate(configuration, DType.F32);
        using var narrow = Decoder.Allocate(configuration, DType.BF16);
        ModelInitializer.Fill(first, 7);
        ModelInitializer.Fill(again, 7);
        ModelInitializer.Fill(other, 8);
        ModelInitializer.Fill(narrow, 7);
        using var rounded = ModelFolder.Convert(first, DType.BF16);
        Assert.Equal(SmallModel.AllBytes(first), SmallModel.AllBytes(again));
        Assert.NotEqual(SmallModel.Bytes(first.Embedding), SmallModel.Bytes(other.Embedding));
        Assert.Equal(SmallModel.AllBytes(rounded), SmallModel.AllBytes(narrow));
        Assert.Equal(0.02, Deviation(first.Embedding), 0.02 * 0.03);
        double residual = 0.02 / Math.Sqrt(2.0 * first.Layers.Count);
        Assert.Equal(residual, Deviation(((AttentionBlock)first.Layers[0].Mixer!).Output), residual * 0.05);
        Assert.Equal(residual, Deviation(((LinearBlock)first.Layers[2].Mixer!).Weight), residual * 0.05);
        Assert.Equal(residual, Deviation(((SwiGluBlock)first.Layers[0].FeedForward!).Down), residual * 0.08);
        Assert.All(new Span<float>(first.FinalNorm.Floats, 64).ToArray(), gain => Assert.Equal(1f, gain));
    }

    [Theory]
    [InlineData("llama-biases")]
    [InlineData("qwen2")]
    [InlineData("qwen3-biases")]
    public void Fresh_biases_are_zero_and_fresh_gains_one(string name)
    {
        using var model = Decoder.Allocate(FamilyModels.Configurations[name], DType.F32);
        ModelInitializer.Fill(model, 7);
        int biases = 0;
        foreach (var slice in WeightMap.Slices(model).Where(slice => slice.IsVector))
        {
            bool isBias = slice.Name.EndsWith(".bias", StringComparison.Ordinal);
            biases += isBias ? 1 : 0;
            var values = new Span<float>((void*)slice.Parameter.RowsView(slice.RowStart, slice.Rows).Address, (int)slice.Shape[0]);
            Assert.All(values.ToArray(), value => Assert.Equal(isBias ? 0f : 1f, value));
            Assert.False(slice.Parameter.Decays);
        }

        Assert.True(biases >= 9, $"{biases} biases");
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    private static double Deviation(Parameter parameter) =>
        Math.Sqrt(new Span<float>(parameter.Floats, (int)parameter.Count).ToArray().Average(value => (double)value * value));

    private static float[][] States(Decoder model, HiddenCapture capture) =>
        [.. Enumerable.Range(0, model.Layers.Count + 1).Select(depth => SmallModel.Copy(capture[depth]))];

    private Tensor Forward(Decoder model, HiddenCapture? capture) =>
        model.Forward(new Executor(_device, _arena, null), StepBatch.Packed(_arena, _ids, Lengths), null, capture);
}
