using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public sealed unsafe class LinearTests : IDisposable
{
    private const double Bound = 1e-6;
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Forward_matches_the_reference_for_token_counts_and_widths_around_the_vectors(DType type)
    {
        foreach (int tokens in (int[])[1, 2, 3, 4, 5, 7, 8, 11, 16, 17, 33])
        {
            foreach (int outputs in (int[])[1, 3, 4, 5, 8, 13, 64])
            {
                foreach (int inputs in (int[])[1, 15, 16, 17, 31, 32, 33, 97, 256])
                {
                    CheckForward(tokens, outputs, inputs, type, accumulate: (tokens & 1) != 0, padding: inputs % 3, misalignment: outputs % 4);
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.BF16, 1)]
    [InlineData(DType.F32, 6)]
    [InlineData(DType.BF16, 6)]
    public void Forward_matches_the_reference_for_large_weights(DType type, int tokens) =>
        CheckForward(tokens, 1031, 1500, type, accumulate: false, padding: 4, misalignment: 1);

    [Theory]
    [InlineData(DType.F32, 40)]
    [InlineData(DType.BF16, 256)]
    [InlineData(DType.BF16, 530)]
    public void A_token_does_not_depend_on_the_other_tokens_or_on_the_threads(DType type, int inputs)
    {
        const int Outputs = 203;
        using var weight = new TestMatrix(Outputs, inputs, type, seed: 8);
        using var input = GuardedFloats.Random(Linear.StreamingTokens * inputs, seed: 9);
        using var alone = new GuardedFloats((long)Linear.StreamingTokens * Outputs);
        for (int t = 0; t < Linear.StreamingTokens; t++)
        {
            Linear.Forward(
                _device, input.Pointer + (t * inputs), inputs, weight.View, alone.Pointer + (t * Outputs), Outputs, 1, accumulate: false);
        }

        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            for (int tokens = 2; tokens <= Linear.StreamingTokens; tokens++)
            {
                using var together = new GuardedFloats((long)tokens * Outputs);
                Linear.Forward(device, input.Pointer, inputs, weight.View, together.Pointer, Outputs, tokens, accumulate: false);
                Assert.True(
                    together.Span.SequenceEqual(alone.Span[..(tokens * Outputs)]), $"{tokens} tokens on {threads} threads differ from one by one");
            }
        }
    }

    [Theory]
    [InlineData(1, DType.F32)]
    [InlineData(19, DType.BF16)]
    public void The_input_gradient_is_the_adjoint_of_the_forward_pass(int tokens, DType type)
    {
        // <dY, X·Wᵀ> = <dY·W, X> for every dY and X.
        const int Outputs = 45, Inputs = 77;
        using var weight = new TestMatrix(Outputs, Inputs, type, seed: 10, padding: 2);
        using var input = GuardedFloats.Random(tokens * Inputs, seed: 11);
        using var gradOutput = GuardedFloats.Random(tokens * Outputs, seed: 12);
        using var gradInput = new GuardedFloats(tokens * Inputs);
        double[] output = Linear.Reference(input.Pointer, Inputs, weight.View, tokens);
        Linear.BackwardInput(_device, gradOutput.Pointer, Outputs, weight.View, gradInput.Pointer, Inputs, tokens, accumulate: false);
        double left = 0, right = 0, size = 0;
        for (int i = 0; i < output.Length; i++)
        {
            left += output[i] * gradOutput.Span[i];
            size += Math.Abs(output[i] * gradOutput.Span[i]);
        }

        for (int i = 0; i < gradInput.Length; i++)
        {
            right += (double)gradInput.Span[i] * input.Span[i];
        }

        Assert.Equal(left, right, size * Bound);
        Linear.BackwardInput(_device, gradOutput.Pointer, Outputs, weight.View, gradInput.Pointer, Inputs, tokens, accumulate: true);
        double twice = 0;
        for (int i = 0; i < gradInput.Length; i++)
        {
            twice += (double)gradInput.Span[i] * input.Span[i];
        }

        Assert.Equal(2 * left, twice, size * 2 * Bound);
        gradInput.AssertGuardsIntact();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(700)]
    public void The_weight_gradient_adds_the_sum_of_outer_products(int tokens)
    {
        const int Outputs = 37, Inputs = 50, InputStride = 53, OutputStride = 40;
        using var input = GuardedFloats.Random(tokens * InputStride, seed: 13);
        using var gradOutput = GuardedFloats.Random(tokens * OutputStride, seed: 14);
        using var gradWeight = GuardedFloats.Random(Outputs * Inputs, seed: 15);
        var expected = new double[Outputs * Inputs];
        for (int i = 0; i < expected.Length; i++)
        {
            expected[i] = gradWeight.Span[i];
            for (int t = 0; t < tokens; t++)
            {
                expected[i] += (double)gradOutput.Span[(t * OutputStride) + (i / Inputs)] * input.Span[(t * InputStride) + (i % Inputs)];
            }
        }

        Linear.BackwardWeight(
            _device, input.Pointer, InputStride, gradOutput.Pointer, OutputStride, gradWeight.Pointer, tokens, Outputs, Inputs);
        Errors.AssertClose(gradWeight.Span, expected, Bound, $"{tokens} tokens");
        gradWeight.AssertGuardsIntact();
    }

    [Fact]
    public void Weights_without_rows_or_columns_and_no_tokens_are_allowed()
    {
        using var values = GuardedFloats.From([3, 4]);
        Linear.Forward(_device, values.Pointer, 0, new MatrixView((nint)values.Pointer, DType.F32, 2, 0), values.Pointer, 2, 1, accumulate: true);
        Linear.Forward(_device, values.Pointer, 2, new MatrixView((nint)values.Pointer, DType.F32, 0, 2), values.Pointer, 0, 1, accumulate: false);
        Linear.Forward(_device, values.Pointer, 2, new MatrixView((nint)values.Pointer, DType.F32, 2, 2), values.Pointer, 2, 0, accumulate: false);
        Assert.Equal([3, 4], values.Span.ToArray());
        Linear.Forward(_device, values.Pointer, 0, new MatrixView((nint)values.Pointer, DType.F32, 2, 0), values.Pointer, 2, 1, accumulate: false);
        Assert.Equal([0, 0], values.Span.ToArray());
    }

    [Fact]
    public void Strides_below_a_row_and_integer_weights_are_refused()
    {
        using var values = new GuardedFloats(64);
        var weight = new MatrixView((nint)values.Pointer, DType.F32, 4, 4);
        var integers = new MatrixView((nint)values.Pointer, DType.I64, 4, 4);
        Assert.Contains("linear input: a stride of 3", Refused(3, weight, 4), StringComparison.Ordinal);
        Assert.Contains("linear output: a stride of 2", Refused(4, weight, 2), StringComparison.Ordinal);
        Assert.Contains("element type i64", Refused(4, integers, 4), StringComparison.Ordinal);

        string Refused(long inputStride, MatrixView view, long outputStride) => Assert.Throws<ArgumentException>(
            () => Linear.Forward(_device, values.Pointer, inputStride, view, values.Pointer, outputStride, 2, accumulate: false)).Message;
    }

    private void CheckForward(int tokens, int outputs, int inputs, DType type, bool accumulate, int padding, int misalignment)
    {
        string what = $"{tokens} tokens, {outputs}x{inputs} {type}";
        using var weight = new TestMatrix(outputs, inputs, type, seed: 6, padding, misalignment);
        using var input = new TestMatrix(tokens, inputs, DType.F32, seed: 7, padding, misalignment);
        int stride = outputs + padding;
        using var output = new GuardedFloats((long)tokens * stride, misalignment);
        double[] expected = Linear.Reference(input.View.Floats, input.View.Stride, weight.View, tokens);
        for (int i = 0; i < expected.Length && accumulate; i++)
        {
            float before = (i % 7) - 2.5f;
            output.Pointer[((i / outputs) * stride) + (i % outputs)] = before;
            expected[i] += before;
        }

        Linear.Forward(_device, input.View.Floats, input.View.Stride, weight.View, output.Pointer, stride, tokens, accumulate);
        var actual = new float[expected.Length];
        for (int t = 0; t < tokens; t++)
        {
            output.Span.Slice(t * stride, outputs).CopyTo(actual.AsSpan(t * outputs));
            foreach (float gap in output.Span.Slice((t * stride) + outputs, padding))
            {
                Assert.True(float.IsNaN(gap), $"{what}: wrote between rows");
            }
        }

        Errors.AssertClose(actual, expected, TestMatrix.BoundFor(expected, inputs, Bound), what);
        output.AssertGuardsIntact();
    }
}
