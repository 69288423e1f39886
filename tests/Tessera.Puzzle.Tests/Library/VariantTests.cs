using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Tensors;

namespace Tessera.Puzzle.Tests.Library;

public unsafe class VariantTests
{
    [Fact]
    public void The_grid_of_the_paper_has_54_variants_with_the_parent_first()
    {
        var parent = new LayerConfiguration(new AttentionConfiguration(8), new SwiGluConfiguration(14336));
        var blocks = VariantGrid.Blocks(parent);
        Assert.Equal(54, blocks.Count);
        Assert.Equal(new BlockVariant(parent.Mixer, parent.FeedForward), blocks[0]);
        Assert.Equal(blocks.Count, blocks.Distinct().Count());
        Assert.All(VariantGrid.FeedForwards(parent.FeedForward).OfType<SwiGluConfiguration>(), f => Assert.Equal(0, f.Width % 16));
    }

    [Fact]
    public void Halves_that_are_absent_or_linear_already_offer_no_more_than_removal()
    {
        var blocks = VariantGrid.Blocks(new LayerConfiguration(new NoMixerConfiguration(), new LinearFeedForwardConfiguration()));
        Assert.Equal(["none linear", "none none"], blocks.Select(block => block.Label));
    }

    // Puzzle, appendix A: leaving channel i out changes the output by exactly |x_i| times the norm of its down column.
    [Fact]
    public void A_channels_contribution_is_the_change_its_removal_makes()
    {
        using var small = new SmallParent();
        using var states = small.States(1, 1);
        double[] scores = states.States.ChannelScores(1);
        var block = (SwiGluBlock)small.Model.Layers[1].FeedForward!;
        for (int channel = 0; channel < block.Width; channel += 7)
        {
            var before = FeedForwardOutput(small, states, 1);
            float[] column = new float[block.Down.Rows];
            for (int row = 0; row < column.Length; row++)
            {
                column[row] = block.Down.Floats[(row * block.Width) + channel];
                block.Down.Floats[(row * block.Width) + channel] = 0;
            }

            var after = FeedForwardOutput(small, states, 1);
            for (int row = 0; row < column.Length; row++)
            {
                block.Down.Floats[(row * block.Width) + channel] = column[row];
            }

            double mean = Enumerable.Range(0, 64).Average(t => Math.Sqrt(
                Enumerable.Range(0, 32).Sum(c => Math.Pow(before[(t * 32) + c] - after[(t * 32) + c], 2))));
            Assert.Equal(mean, scores[channel], 1e-5 * Math.Max(mean, 0.1));
        }
    }

    [Fact]
    public void Narrow_widths_are_nested_and_keep_the_channels_that_contribute_most()
    {
        using var small = new SmallParent();
        using var arena = new Arena("test");
        using var states = small.States(2);
        int[] order = ChannelContribution.Order(states.States.ChannelScores(0));
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var parent = (SwiGluBlock)small.Model.Layers[0].FeedForward!;
        var child = (SwiGluBlock)initializer.FeedForward(parent, new SwiGluConfiguration(16), order, "child")!;
        int[] kept = [.. order[..16].Order()];
        for (int i = 0; i < kept.Length; i++)
        {
            Assert.Equal(parent.GateUp.Floats[(long)kept[i] * 32], child.GateUp.Floats[(long)i * 32]);
            Assert.Equal(parent.GateUp.Floats[(long)(parent.Width + kept[i]) * 32], child.GateUp.Floats[(long)(16 + i) * 32]);
            Assert.Equal(parent.Down.Floats[kept[i]], child.Down.Floats[i]);
        }
    }

    [Fact]
    public void Full_width_and_full_heads_reproduce_the_parent_bit_for_bit()
    {
        using var small = new SmallParent();
        using var arena = new Arena("test");
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var layer = small.Model.Layers[0];
        int[] order = [.. Enumerable.Range(0, 48).Reverse()];
        var feedForward = initializer.FeedForward(layer.FeedForward!, new SwiGluConfiguration(48), order, "ffn")!;
        var mixer = initializer.Mixer(layer.Mixer!, new AttentionConfiguration(4), "mixer")!;
        foreach (var (source, copy) in layer.Parameters.Zip(mixer.Parameters.Concat(feedForward.Parameters)))
        {
            Assert.Equal(new ReadOnlySpan<float>(source.Floats, (int)source.Count), new ReadOnlySpan<float>(copy.Floats, (int)copy.Count));
        }
    }

    [Fact]
    public void Pooled_heads_are_the_means_of_the_heads_they_replace()
    {
        using var small = new SmallParent();
        using var arena = new Arena("test");
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var parent = (AttentionBlock)small.Model.Layers[0].Mixer!;
        var child = (AttentionBlock)initializer.Mixer(parent, new AttentionConfiguration(2), "mixer")!;
        for (int part = 0; part < 2; part++)
        {
            for (int row = 0; row < 16; row++)
            {
                int head = row / 8, i = row % 8;
                for (int c = 0; c < 32; c++)
                {
                    float a = parent.Projection.Floats[(32L + (part * 32) + (head * 2 * 8) + i) * 32 + c];
                    float b = parent.Projection.Floats[(32L + (part * 32) + (((head * 2) + 1) * 8) + i) * 32 + c];
                    Assert.Equal((a + b) / 2, child.Projection.Floats[(32L + (part * 16) + row) * 32 + c], 1e-6f);
                }
            }
        }
    }

    [Fact]
    public void The_grid_keeps_windows_biases_and_norms()
    {
        var mixer = new AttentionConfiguration(4) { Window = 9, HasQkvBias = true, HasOutputBias = true, HasHeadNorms = true };
        var blocks = VariantGrid.Blocks(new LayerConfiguration(mixer, new SwiGluConfiguration(160) { HasBias = true }));
        Assert.Equal(blocks.Count, blocks.Select(block => block.Label).Distinct().Count());
        Assert.Equal(
            ["kv4-w9-bias-norm", "kv2-w9-bias-norm", "kv1-w9-bias-norm", "linear", "none"],
            VariantGrid.Mixers(mixer).Select(variant => variant.ToString()));
        Assert.All(blocks.Select(block => block.FeedForward).OfType<SwiGluConfiguration>(), ffn => Assert.True(ffn.HasBias));
    }

    [Fact]
    public void Pooled_heads_pool_their_biases_and_share_the_gains()
    {
        using var small = new SmallParent(change: Everything);
        using var arena = new Arena("test");
        Shake(small.Model);
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var parent = (AttentionBlock)small.Model.Layers[0].Mixer!;
        var target = (AttentionConfiguration)small.Configuration.Layers[0].Mixer;
        var child = (AttentionBlock)initializer.Mixer(parent, target with { KvHeadCount = 2 }, "mixer")!;
        Parameter from = parent.Qkv!.Bias!, to = child.Qkv!.Bias!;
        Assert.Equal(Values(from)[..32], Values(to)[..32]);
        for (int row = 0; row < 32; row++)
        {
            int part = row / 16, head = row % 16 / 8, i = row % 8;
            float mean = (from.Floats[32 + (part * 32) + (head * 16) + i] + from.Floats[32 + (part * 32) + (head * 16) + 8 + i]) / 2;
            Assert.Equal(mean, to.Floats[32 + row], 1e-6f);
        }

        Assert.Equal(Values(parent.Qkv.KeyGain!), Values(child.Qkv.KeyGain!));
        Assert.Equal(Values(parent.Qkv.QueryGain!), Values(child.Qkv.QueryGain!));
        Assert.Equal(Values(parent.OutputBias!), Values(child.OutputBias!));
        Assert.Equal(parent.Shape.Window, child.Shape.Window);
    }

    [Fact]
    public void Full_width_and_full_heads_with_all_parts_reproduce_the_parent_bit_for_bit()
    {
        using var small = new SmallParent(change: Everything);
        using var arena = new Arena("test");
        Shake(small.Model);
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var layer = small.Model.Layers[0];
        var shape = small.Configuration.Layers[0];
        int[] order = [.. Enumerable.Range(0, 48).Reverse()];
        var mixer = initializer.Mixer(layer.Mixer!, shape.Mixer, "mixer")!;
        var feedForward = initializer.FeedForward(layer.FeedForward!, shape.FeedForward, order, "ffn")!;
        Assert.Equal(8, layer.Parameters.Count(parameter => !parameter.Decays));
        foreach (var (source, copy) in layer.Parameters.Zip(mixer.Parameters.Concat(feedForward.Parameters)))
        {
            Assert.Equal(Values(source), Values(copy));
        }
    }

    [Fact]
    public void Narrow_feed_forwards_keep_the_biases_of_their_channels_and_distil()
    {
        using var small = new SmallParent(change: Everything);
        using var arena = new Arena("test");
        Shake(small.Model);
        using var states = small.States(3, 4);
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var parent = (SwiGluBlock)small.Model.Layers[1].FeedForward!;
        int[] order = ChannelContribution.Order(states.States.ChannelScores(1));
        var ffn = (SwiGluConfiguration)small.Configuration.Layers[1].FeedForward;
        var narrow = (SwiGluBlock)initializer.FeedForward(parent, ffn with { Width = 16 }, order, "ffn")!;
        int[] kept = [.. order[..16].Order()];
        for (int i = 0; i < kept.Length; i++)
        {
            Assert.Equal(parent.GateUpBias!.Floats[kept[i]], narrow.GateUpBias!.Floats[i]);
            Assert.Equal(parent.GateUpBias.Floats[48 + kept[i]], narrow.GateUpBias.Floats[16 + i]);
        }

        Assert.Equal(Values(parent.DownBias!), Values(narrow.DownBias!));
        var distillation = new BlockDistillation(small.Device, states.States, 1, small.Model.Layers[1], new BlockDistillationSettings(60, 3e-3));
        var attention = (AttentionConfiguration)small.Configuration.Layers[1].Mixer;
        var mixer = initializer.Mixer(small.Model.Layers[1].Mixer!, attention with { KvHeadCount = 1 }, "mixer")!;
        float[][] before = [.. mixer.Parameters.Select(Values)];
        var result = distillation.TrainMixer(mixer);
        Assert.True(result.After < 0.9 * result.Before, $"{result.Before} to {result.After}");

        // Every part was trained, the vectors too.
        Assert.All(mixer.Parameters.Zip(before), pair => Assert.NotEqual(pair.Second, Values(pair.First)));
    }

    // One token attends only to itself, so there attention IS the product of value and output projections.
    [Fact]
    public void The_linear_mixer_equals_attention_on_single_tokens()
    {
        using var small = new SmallParent(kvHeads: 2);
        using var arena = new Arena("test");
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        var parent = small.Model.Layers[0].Mixer!;
        var linear = initializer.Mixer(parent, new LinearMixerConfiguration(), "mixer")!;
        var executor = new Executor(small.Device, arena, null);
        var step = StepBatch.Packed(arena, [3, 4, 5], [1, 1, 1]);
        var input = executor.Allocate(3, 32);
        for (int i = 0; i < 96; i++)
        {
            input.Data.Floats[i] = MathF.Sin(i);
        }

        var expected = parent.Apply(executor, input, step, null, 0, default);
        var actual = linear.Apply(executor, input, step, null, 0, default);
        for (int i = 0; i < 96; i++)
        {
            Assert.Equal(expected.Data.Floats[i], actual.Data.Floats[i], 1e-4f);
        }
    }

    [Fact]
    public void Distillation_lowers_the_error_and_leaves_the_parent_alone()
    {
        using var small = new SmallParent();
        using var arena = new Arena("test");
        using var states = small.States(3, 4);
        var initializer = new VariantInitializer(
            small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
        float[] before = Snapshot(small.Model);
        var distillation = new BlockDistillation(small.Device, states.States, 1, small.Model.Layers[1], new BlockDistillationSettings(60, 3e-3));
        var mixer = initializer.Mixer(small.Model.Layers[1].Mixer!, new LinearMixerConfiguration(), "mixer")!;
        var mixerResult = distillation.TrainMixer(mixer);
        Assert.True(mixerResult.After < 0.9 * mixerResult.Before, $"{mixerResult.Before} to {mixerResult.After}");
        int[] order = ChannelContribution.Order(states.States.ChannelScores(1));
        var narrow = initializer.FeedForward(small.Model.Layers[1].FeedForward!, new SwiGluConfiguration(16), order, "ffn")!;
        var narrowResult = distillation.TrainFeedForward(narrow);
        Assert.True(narrowResult.After < 0.9 * narrowResult.Before, $"{narrowResult.Before} to {narrowResult.After}");
        Assert.Equal(before, Snapshot(small.Model));
        foreach (var result in (BlockDistillationResult[])[mixerResult, narrowResult])
        {
            Assert.All(
                (string[])["activations", "activation gradients", "gradients and moments", "initial weights"],
                part => Assert.Equal((part, result.Planned[part]), (part, result.Used[part])));
            Assert.True(result.Planned["activations"] > 0 && result.Used["kernel scratch"] <= result.Planned["kernel scratch"]);
        }

        Assert.DoesNotContain(small.Model.Parameters, parameter => parameter.IsTrainable);
    }

    [Fact]
    public void Patience_ends_a_distillation_that_gets_no_better_and_keeps_the_best_weights()
    {
        using var small = new SmallParent();
        using var states = small.States(3, 2);
        (BlockDistillationResult Result, float[] Weights) Train(BlockDistillationSettings settings)
        {
            using var arena = new Arena("test");
            var initializer = new VariantInitializer(
                small.Device, new BlockFactory(small.Configuration, small.Model.Rope, arena, DType.F32));
            var mixer = initializer.Mixer(small.Model.Layers[1].Mixer!, new LinearMixerConfiguration(), "mixer")!;
            var result = new BlockDistillation(small.Device, states.States, 1, small.Model.Layers[1], settings).TrainMixer(mixer);
            return (result, [.. mixer.Parameters.SelectMany(Values)]);
        }

        // A rate at which losses go up and down.
        var whole = Train(new BlockDistillationSettings(400, 0.2));
        var patient = Train(new BlockDistillationSettings(400, 0.2) { Patience = 3 });
        var again = Train(new BlockDistillationSettings(400, 0.2) { Patience = 3 });
        Assert.Equal(400, whole.Result.Steps);
        Assert.InRange(patient.Result.Steps, 6, 399);
        Assert.Equal(0, patient.Result.Steps % 2);
        Assert.True(patient.Result.After < patient.Result.Before, $"{patient.Result.Before} to {patient.Result.After}");
        Assert.Equal(patient.Result.Steps, again.Result.Steps);
        Assert.Equal(patient.Weights, again.Weights);
    }

    private static LayerConfiguration Everything(LayerConfiguration layer) => new(
        (AttentionConfiguration)layer.Mixer with { Window = 5, HasQkvBias = true, HasOutputBias = true, HasHeadNorms = true },
        (SwiGluConfiguration)layer.FeedForward with { HasBias = true });

    /// <summary>Gives gains and biases numbers that can be told from each other; fresh ones are all 1 or 0.</summary>
    private static void Shake(Decoder model)
    {
        var random = new CounterRandom(11);
        foreach (var parameter in model.Parameters.Where(parameter => !parameter.Decays))
        {
            for (long i = 0; i < parameter.Count; i++)
            {
                parameter.Floats[i] += 0.3f * random.NextGaussian();
            }
        }
    }

    private static float[] Values(Parameter parameter) => new ReadOnlySpan<float>(parameter.Floats, (int)parameter.Count).ToArray();

    private static float[] FeedForwardOutput(SmallParent small, SmallStates states, int layer)
    {
        using var arena = new Arena("test");
        var executor = new Executor(small.Device, arena, null);
        var middle = states.States.ReadMiddle(arena, layer, 0);
        var output = LayerHalves.Half(
            executor, small.Configuration, states.Steps.Steps[0], small.Model.Layers[layer].FeedForward, middle);
        return new ReadOnlySpan<float>(output.Data.Floats, (int)output.Count).ToArray();
    }

    private static float[] Snapshot(Decoder model) =>
        [.. model.Parameters.SelectMany(p => new ReadOnlySpan<float>(p.Floats, (int)p.Count).ToArray())];
}
