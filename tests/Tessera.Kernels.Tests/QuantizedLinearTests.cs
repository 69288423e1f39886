using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public sealed unsafe class QuantizedLinearTests : IDisposable
{
    private const double Bound = 1e-6;
    private static readonly int[] TokenCounts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 24, 64, 100];
    private readonly CpuDevice _device = new(2);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Forward_matches_the_reference_for_shapes_around_tiles_groups_and_blocks(DType type)
    {
        foreach (int outputs in (int[])[1, 15, 16, 17, 33, 64])
        {
            foreach (int inputs in (int[])[1, 31, 32, 33, 64, 95, 160])
            {
                foreach (int tokens in TokenCounts)
                {
                    Check(tokens, outputs, inputs, type, accumulate: (tokens + outputs) % 3 == 0, padding: inputs % 3);
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.Int8, 1, 1031, 1500, false)]
    [InlineData(DType.Int4, 1, 1031, 1500, true)]
    [InlineData(DType.Int8, 100, 300, 4300, false)]
    [InlineData(DType.Int4, 100, 300, 4300, false)]
    [InlineData(DType.Int8, 100, 100, 4300, true)]
    [InlineData(DType.Int4, 3, 2048, 4160, false)]
    public void Forward_matches_the_reference_where_work_is_cut_into_panels(DType type, int tokens, int outputs, int inputs, bool accumulate) =>
        Check(tokens, outputs, inputs, type, accumulate, padding: 4);

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Every_instruction_set_gives_the_bits_of_the_definition(DType type)
    {
        // The order of the contract, operation by operation: what another instruction set gives must be the same.
        foreach (int inputs in (int[])[32, 96, 4160])
        {
            const int Outputs = 35, Tokens = 11;
            using var weight = new GroupedTestMatrix(Outputs, inputs, type);
            byte[] blocks = GroupedTestMatrix.RandomBlocks(Outputs, inputs, type, seed: inputs);
            weight.StoreBlocks(blocks);
            using var input = GuardedFloats.Random(Tokens * inputs, seed: 21);
            using var output = new GuardedFloats(Tokens * Outputs);
            QuantizedLinear.Forward(_device, input.Pointer, inputs, weight.View, output.Pointer, Outputs, Tokens, accumulate: false);
            for (int t = 0; t < Tokens; t++)
            {
                for (int o = 0; o < Outputs; o++)
                {
                    float expected = Defined(input.Span.Slice(t * inputs, inputs), blocks, o, type);
                    Assert.Equal(expected, output.Span[(t * Outputs) + o]);
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.Int8, 530)]
    [InlineData(DType.Int4, 64)]
    public void A_token_does_not_depend_on_the_other_tokens_or_on_the_threads(DType type, int inputs)
    {
        const int Outputs = 203, Most = 40;
        using var weight = GroupedTestMatrix.Gaussian(Outputs, inputs, type, seed: 8);
        using var input = GuardedFloats.Random(Most * inputs, seed: 9);
        using var alone = new GuardedFloats(Most * Outputs);
        for (int t = 0; t < Most; t++)
        {
            QuantizedLinear.Forward(
                _device, input.Pointer + (t * inputs), inputs, weight.View, alone.Pointer + (t * Outputs), Outputs, 1, accumulate: false);
        }

        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            for (int tokens = 2; tokens <= Most; tokens++)
            {
                using var together = new GuardedFloats(tokens * Outputs);
                QuantizedLinear.Forward(device, input.Pointer, inputs, weight.View, together.Pointer, Outputs, tokens, accumulate: false);
                Assert.True(
                    together.Span.SequenceEqual(alone.Span[..(tokens * Outputs)]), $"{tokens} tokens on {threads} threads differ from one by one");
            }
        }
    }

    [Theory]
    [InlineData(DType.Int8, 0x80, 1f)]
    [InlineData(DType.Int8, 0x80, -1f)]
    [InlineData(DType.Int8, 0x7F, 1f)]
    [InlineData(DType.Int8, 0x7F, -1f)]
    [InlineData(DType.Int4, 0x00, 1f)]
    [InlineData(DType.Int4, 0x00, -1f)]
    [InlineData(DType.Int4, 0xFF, 1f)]
    [InlineData(DType.Int4, 0xFF, -1f)]
    public void The_largest_integers_do_not_saturate(DType type, int integers, float value)
    {
        const int Outputs = 16, Inputs = 256;
        byte[] blocks = GroupedTestMatrix.RandomBlocks(Outputs, Inputs, type, seed: 10);
        for (int i = 0; i < blocks.Length; i += GroupedMatrix.BlockBytes(type))
        {
            blocks.AsSpan(i, GroupedMatrix.BlockBytes(type)).Fill((byte)integers);
            BitConverter.TryWriteBytes(blocks.AsSpan(i), Half.One);
        }

        using var weight = new GroupedTestMatrix(Outputs, Inputs, type);
        weight.StoreBlocks(blocks);
        using var input = new GuardedFloats(7 * Inputs);
        input.Span.Fill(127 * value);
        using var output = new GuardedFloats(7 * Outputs);
        QuantizedLinear.Forward(_device, input.Pointer, Inputs, weight.View, output.Pointer, Outputs, 7, accumulate: false);
        int integer = type == DType.Int8 ? (sbyte)integers : (integers & 15) - 8;
        Assert.All(output.Span.ToArray(), sum => Assert.Equal(integer * 127f * value * Inputs, sum));
    }

    [Theory]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void A_token_that_is_no_number_spoils_its_own_outputs_and_no_others(DType type)
    {
        const int Outputs = 20, Inputs = 70, Tokens = 8;
        using var weight = GroupedTestMatrix.Gaussian(Outputs, Inputs, type, seed: 11);
        using var input = GuardedFloats.Random(Tokens * Inputs, seed: 12);
        using var clean = new GuardedFloats(Tokens * Outputs);
        QuantizedLinear.Forward(_device, input.Pointer, Inputs, weight.View, clean.Pointer, Outputs, Tokens, accumulate: false);
        input.Span[(1 * Inputs) + 69] = float.NaN;
        input.Span[(4 * Inputs) + 3] = float.NegativeInfinity;
        input.Span.Slice(6 * Inputs, Inputs).Clear();
        using var output = new GuardedFloats(Tokens * Outputs);
        QuantizedLinear.Forward(_device, input.Pointer, Inputs, weight.View, output.Pointer, Outputs, Tokens, accumulate: false);
        for (int i = 0; i < Tokens * Outputs; i++)
        {
            int token = i / Outputs;
            float expected = token is 1 or 4 ? float.NaN : token == 6 ? 0f : clean.Span[i];
            Assert.Equal(expected, output.Span[i]);
        }
    }

    [Fact]
    public void Groups_below_the_smallest_magnitude_count_as_zeros_and_those_above_do_not()
    {
        using var weight = GroupedTestMatrix.Gaussian(16, 32, DType.Int8, seed: 13);
        using var input = new GuardedFloats(32);
        using var output = new GuardedFloats(16);
        foreach (var (value, isZero) in ((float, bool)[])[(1e-40f, true), (9e-37f, true), (2e-36f, false), (1e30f, false)])
        {
            input.Span.Fill(value);
            QuantizedLinear.Forward(_device, input.Pointer, 32, weight.View, output.Pointer, 16, 1, accumulate: false);
            double[] expected = QuantizedLinear.Reference(input.Pointer, 32, weight.View, 1);
            Errors.AssertClose(output.Span, isZero ? new double[16] : expected, isZero ? 0 : Bound, $"{value}");
        }
    }

    [Fact]
    public void A_matrix_without_columns_gives_zeros_and_one_without_rows_nothing()
    {
        using var values = GuardedFloats.From([3, 4]);
        byte nothing = 0;
        QuantizedLinear.Forward(_device, values.Pointer, 0, new MatrixView((nint)(&nothing), DType.Int8, 0, 5), values.Pointer, 0, 1, accumulate: false);
        QuantizedLinear.Forward(_device, values.Pointer, 0, new MatrixView((nint)(&nothing), DType.Int4, 2, 0), values.Pointer, 2, 1, accumulate: true);
        QuantizedLinear.Forward(_device, values.Pointer, 0, new MatrixView((nint)(&nothing), DType.Int4, 2, 0), values.Pointer, 2, 0, accumulate: false);
        Assert.Equal([3, 4], values.Span.ToArray());
        QuantizedLinear.Forward(_device, values.Pointer, 0, new MatrixView((nint)(&nothing), DType.Int4, 2, 0), values.Pointer, 2, 1, accumulate: false);
        Assert.Equal([0, 0], values.Span.ToArray());
    }

    [Fact]
    public void Other_types_short_strides_and_gradients_are_refused()
    {
        using var values = new GuardedFloats(256);
        using var weight = GroupedTestMatrix.Gaussian(4, 4, DType.Int4, seed: 14);
        var dense = new MatrixView((nint)values.Pointer, DType.F32, 4, 4);
        Assert.Contains("f32 is neither int8 nor int4", Refused(() => QuantizedLinear.Forward(_device, values.Pointer, 4, dense, values.Pointer, 4, 1, false)), StringComparison.Ordinal);
        Assert.Contains("a stride of 3", Refused(() => QuantizedLinear.Forward(_device, values.Pointer, 3, weight.View, values.Pointer, 4, 2, false)), StringComparison.Ordinal);
        Assert.Contains(
            "int4 is for inference", Refused(() => Linear.BackwardInput(_device, values.Pointer, 4, weight.View, values.Pointer, 4, 1, false)), StringComparison.Ordinal);

        static string Refused(Action action) => Assert.Throws<ArgumentException>(action).Message;
    }

    /// <summary>One output by the contract, in f32.</summary>
    private static float Defined(ReadOnlySpan<float> token, byte[] blocks, int row, DType type)
    {
        int size = GroupedMatrix.BlockBytes(type);
        float sum = 0;
        for (int g = 0; g < token.Length / 32; g++)
        {
            ReadOnlySpan<float> group = token.Slice(g * 32, 32);
            ReadOnlySpan<byte> block = blocks.AsSpan(((row * token.Length / 32) + g) * size, size);
            float magnitude = 0;
            foreach (float value in group)
            {
                magnitude = MathF.Max(magnitude, MathF.Abs(value));
            }

            float factor = 127 / magnitude;
            int integers = 0;
            for (int i = 0; i < 32; i++)
            {
                int weight = type == DType.Int8 ? (sbyte)block[2 + i] : ((block[2 + (i % 16)] >> (i < 16 ? 0 : 4)) & 15) - 8;
                integers += weight * (int)MathF.Round(group[i] * factor, MidpointRounding.ToEven);
            }

            float product = integers * (magnitude / 127);
            product *= (float)BitConverter.ToHalf(block);
            sum += product;
        }

        return sum;
    }

    private void Check(int tokens, int outputs, int inputs, DType type, bool accumulate, int padding)
    {
        string what = $"{tokens} tokens, {outputs}x{inputs} {type}";
        using var weight = GroupedTestMatrix.Gaussian(outputs, inputs, type, seed: 6);
        using var input = new TestMatrix(tokens, inputs, DType.F32, seed: 7, padding, misalignment: padding);
        int stride = outputs + padding;
        using var output = new GuardedFloats((long)tokens * stride, padding);
        double[] expected = QuantizedLinear.Reference(input.View.Floats, input.View.Stride, weight.View, tokens);
        double bound = TestMatrix.BoundFor(expected, inputs, Bound);
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

        Errors.AssertClose(actual, expected, bound, what);
        output.AssertGuardsIntact();
        weight.AssertGuardsIntact();
    }
}
