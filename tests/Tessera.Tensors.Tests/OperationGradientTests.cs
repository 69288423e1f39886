using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Tensors.Tests;

public sealed unsafe class OperationGradientTests
{
    private const float Epsilon = 1e-5f;

    [Fact]
    public void Embedding_adds_up_the_gradients_of_a_repeated_token()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(6, 8);
        int* ids = probe.Integers(3, 0, 3, 5, 3);
        probe.Verify(executor => [executor.Embed(ids, 5, table)]);
    }

    [Fact]
    public void Norm_passes_gradients_to_input_and_gain()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(5, 13);
        var gain = probe.Weight(1, 13);
        probe.Verify(executor => [executor.RmsNorm(probe.Input(executor, table), gain, Epsilon)]);
    }

    [Fact]
    public void Norm_of_a_constant_trains_its_gain()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(5, 13, trained: false);
        var gain = probe.Weight(1, 13);
        probe.Verify(executor => [executor.RmsNorm(probe.Input(executor, table), gain, Epsilon)]);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Adding_norm_passes_gradients_of_either_output_or_both(bool sum, bool normalised)
    {
        using var probe = new GradientProbe();
        var left = probe.Weight(4, 16);
        var right = probe.Weight(4, 16);
        var gain = probe.Weight(1, 16);
        if (!normalised)
        {
            probe.Trained.Remove(gain);
        }

        probe.Verify(executor =>
        {
            var (residual, output) = executor.AddRmsNorm(probe.Input(executor, left), probe.Input(executor, right), gain, Epsilon);
            return (sum, normalised) switch
            {
                (true, true) => [residual, output],
                (true, false) => [residual],
                _ => [output],
            };
        });
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Adding_norm_works_with_one_constant_summand(bool leftTrained, bool rightTrained)
    {
        using var probe = new GradientProbe();
        var left = probe.Weight(4, 16, trained: leftTrained);
        var right = probe.Weight(4, 16, trained: rightTrained);
        var gain = probe.Weight(1, 16);
        probe.Verify(executor =>
        {
            var (residual, output) = executor.AddRmsNorm(probe.Input(executor, left), probe.Input(executor, right), gain, Epsilon);
            return leftTrained || rightTrained ? [residual, output] : [output];
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(9)]
    public void Linear_passes_gradients_to_input_and_weight(int tokens)
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(tokens, 12);
        var weight = probe.Weight(7, 12);
        probe.Verify(executor => [executor.Linear(probe.Input(executor, table), weight)]);
    }

    [Fact]
    public void One_input_of_several_products_collects_all_their_gradients()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(3, 12);
        var first = probe.Weight(5, 12);
        var second = probe.Weight(8, 12);
        probe.Verify(executor =>
        {
            var input = probe.Input(executor, table);
            return [executor.Linear(input, first), executor.Linear(input, second), executor.Linear(input, first), input];
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Attention_with_rotation_over_two_documents_passes_gradients_to_its_projection(int keyValueHeads)
    {
        using var probe = new GradientProbe();
        var shape = new AttentionShape(4, keyValueHeads, 6);
        using var rope = new RopeTable(6, 10_000, null, 16);
        var table = probe.Weight(8, 9);
        var projection = probe.Weight((4 + (2 * keyValueHeads)) * 6, 9, 0.4f);
        int* positions = probe.Integers(0, 1, 2, 3, 4, 0, 1, 2);
        probe.Verify(executor =>
        {
            var qkv = executor.Linear(probe.Input(executor, table), projection);
            executor.Rope(qkv, shape, positions, rope);
            return [Attend(executor, qkv, shape, 5, 3)];
        });
    }

    [Theory]
    [InlineData(true, true, 0)]
    [InlineData(true, false, 2)]
    [InlineData(false, true, 3)]
    public void Attention_passes_gradients_through_bias_norms_rotation_and_window(bool hasBias, bool hasNorms, int window)
    {
        using var probe = new GradientProbe();
        var shape = new AttentionShape(4, 2, 6) { Window = window };
        using var rope = new RopeTable(6, 10_000, null, 16);
        var table = probe.Weight(8, 9);
        var projection = probe.Weight(8 * 6, 9, 0.4f);
        var parts = new QkvParameters(
            hasBias ? probe.Weight(8 * 6, 1) : null, hasNorms ? probe.Weight(1, 6) : null, hasNorms ? probe.Weight(1, 6) : null, Epsilon);
        int* positions = probe.Integers(0, 1, 2, 3, 4, 0, 1, 2);
        probe.Verify(executor =>
        {
            var qkv = executor.Linear(probe.Input(executor, table), projection);
            qkv = executor.FinishQkv(qkv, shape, parts, positions, rope);
            return [Attend(executor, qkv, shape, 5, 3)];
        });
    }

    [Fact]
    public void Parts_of_a_frozen_projection_are_trained_alone()
    {
        using var probe = new GradientProbe();
        var shape = new AttentionShape(4, 2, 6);
        using var rope = new RopeTable(6, 10_000, null, 16);
        var table = probe.Weight(5, 9, trained: false);
        var projection = probe.Weight(8 * 6, 9, 0.4f, trained: false);
        var parts = new QkvParameters(probe.Weight(8 * 6, 1), probe.Weight(1, 6, trained: false), probe.Weight(1, 6), Epsilon);
        int* positions = probe.Integers(0, 1, 2, 3, 4);
        probe.Verify(executor =>
        {
            var qkv = executor.Linear(probe.Input(executor, table), projection);
            return [Attend(executor, executor.FinishQkv(qkv, shape, parts, positions, rope), shape, 5)];
        });
        Assert.False(parts.QueryGain!.Gradient.Exists);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Bias_passes_gradients_to_tensor_and_bias(bool weightTrained, bool biasTrained)
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(5, 9, trained: false);
        var weight = probe.Weight(7, 9, trained: weightTrained);
        var bias = probe.Weight(7, 1, trained: biasTrained);
        var second = probe.Weight(6, 7);
        probe.Verify(executor =>
        {
            var y = executor.AddBias(executor.Linear(probe.Input(executor, table), weight), bias);
            return [executor.Linear(y, second), y];
        });
    }

    [Fact]
    public void Swiglu_passes_gradients_to_gate_and_up()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(5, 22);
        probe.Verify(executor => [executor.SwiGlu(probe.Input(executor, table))]);
    }

    [Fact]
    public void Sum_passes_gradients_to_both_sides_and_twice_to_one_tensor_added_to_itself()
    {
        using var probe = new GradientProbe();
        var left = probe.Weight(3, 10);
        var right = probe.Weight(3, 10);
        probe.Verify(executor =>
        {
            var first = probe.Input(executor, left);
            var sum = executor.Add(first, probe.Input(executor, right));
            return [executor.Add(sum, sum), sum, first];
        });
    }

    [Fact]
    public void A_stream_with_a_loss_at_every_depth_shares_and_splits_gradients_correctly()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(4, 8);
        var gains = Enumerable.Range(0, 4).Select(_ => probe.Weight(1, 8)).ToArray();
        var weights = Enumerable.Range(0, 3).Select(_ => probe.Weight(8, 8, 0.3f)).ToArray();
        probe.Verify(executor =>
        {
            var residual = probe.Input(executor, table);
            var outputs = new List<Tensor> { residual };
            var branch = executor.Linear(executor.RmsNorm(residual, gains[0], Epsilon), weights[0]);
            for (int i = 1; i < 4; i++)
            {
                // The sum takes the branch's place: a loss on the branch reads it before.
                outputs.Add(executor.Add(branch, branch));
                (residual, var normalised) = executor.AddRmsNorm(residual, branch, gains[i], Epsilon);
                outputs.Add(residual);

                // The branch of the middle depth is the normalised stream itself, a gradient without a weight between.
                branch = i == 2 ? normalised : executor.Linear(normalised, weights[i - 1]);
            }

            return [.. outputs, executor.Add(residual, branch)];
        });
    }

    [Fact]
    public void Two_losses_on_one_tensor_add_up()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(4, 8);
        var weight = probe.Weight(8, 8);
        probe.Verify(executor =>
        {
            var output = executor.Linear(probe.Input(executor, table), weight);
            return [output, output, output];
        });
    }

    [Fact]
    public void A_frozen_weight_between_gets_no_gradient_and_lets_gradients_through()
    {
        using var probe = new GradientProbe();
        var table = probe.Weight(4, 8);
        var gain = probe.Weight(1, 8, trained: false);
        var weight = probe.Weight(6, 8, trained: false);
        probe.Verify(executor => [executor.Linear(executor.RmsNorm(probe.Input(executor, table), gain, Epsilon), weight)]);
        Assert.False(weight.Gradient.Exists || gain.Gradient.Exists);
    }

    private static Tensor Attend(Executor executor, Tensor qkv, AttentionShape shape, params ReadOnlySpan<int> lengths)
    {
        var segments = (AttentionSegment*)executor.Arena.Allocate(lengths.Length * sizeof(AttentionSegment));
        int start = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            segments[i] = new AttentionSegment
            {
                QueryStart = start,
                QueryCount = lengths[i],
                KeyCount = lengths[i],
                KeyStart = start,
            };
            start += lengths[i];
        }

        var bounds = AttentionBounds.Of(new ReadOnlySpan<AttentionSegment>(segments, lengths.Length));
        return executor.Attention(qkv, shape, segments, bounds);
    }
}
