using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Kernels.Tests;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

/// <summary>Weights in E4M3: what is stored has the processor's bits, and products are those of what is stored.</summary>
[Trait("Category", Card.Category)]
public sealed unsafe class Fp8LinearCudaTests
{
    // What fast accumulation may cost, relative to the norm of the sums: 5.4e-4 was seen at 1,040 columns, 2.9e-3 at 14,336.
    private const double FastAccumulation = 4e-3;

    private static readonly (int Outputs, int Inputs)[] Weights =
        [(1, 1), (17, 17), (48, 64), (130, 1032), (5, 260), (64, 4096), (136, 272), (260, 256), (33, 14_336), (128, 14_336)];

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Rows_are_rounded_with_the_processors_bits(DType type)
    {
        using var card = OpenWithFp8();
        foreach (var (rows, columns) in ((int, int)[])[(1, 1), (3, 17), (16, 64), (33, 600), (7, 4096), (130, 1032), (6, 14_336)])
        {
            foreach (int gap in (int[])[0, 8, 3])
            {
                using var x = new DeviceMatrix(card, type, rows, columns, rows + gap, gap, scale: 0.02f);
                using var expected = new Fp8TestMatrix(rows, columns);
                using var values = GuardedFloats.From(x.Before);
                expected.Store(values, 0, rows);
                Assert.Equal(expected.Bytes.ToArray(), Stored(card, x.Elements, x.Stride, rows, columns));
            }
        }
    }

    [Fact]
    public void Special_rows_are_rounded_as_on_the_processor()
    {
        const int Rows = 9, Columns = 100;
        using var card = OpenWithFp8();
        float[] values = DeviceBuffer.Gaussians(Rows * Columns, 3);
        values.AsSpan(0, Columns).Clear();
        values[Columns + 40] = float.NaN;
        values[(2 * Columns) + 99] = float.NegativeInfinity;
        values.AsSpan(3 * Columns, Columns).Fill(-1e-37f);
        values.AsSpan(4 * Columns, Columns).Fill(3e38f);
        values.AsSpan(5 * Columns, 50).Fill(-0f);
        values[6 * Columns] = 1e-42f;
        values[7 * Columns] = 1e6f;
        using var x = DeviceBuffer.From(card, DType.F32, values);
        using var expected = new Fp8TestMatrix(Rows, Columns);
        using var guarded = GuardedFloats.From(values);
        expected.Store(guarded, 0, Rows);
        Assert.Equal(expected.Bytes.ToArray(), Stored(card, x.Elements, Columns, Rows, Columns));
    }

    [Theory]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.F32, DType.BF16)]
    public void Few_tokens_meet_the_weight_as_they_are(DType typeInput, DType typeOutput) =>
        Compare(typeInput, typeOutput, [0, 1, 3, 8, 9, 16], roundsTokens: false, invariant: false, ProductTolerances.ProductOfBf16);

    [Fact]
    public void Invariant_products_take_the_way_of_few_tokens() =>
        Compare(DType.BF16, DType.F32, [17, 40], roundsTokens: false, invariant: true, ProductTolerances.ProductOfBf16);

    [Theory]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F32, DType.F32)]
    public void More_tokens_are_rounded_themselves(DType typeInput, DType typeOutput) =>
        Compare(typeInput, typeOutput, [17, 33, 130], roundsTokens: true, invariant: false, FastAccumulation);

    [Fact]
    public void A_tokens_bits_do_not_depend_on_others_among_few_and_with_invariant_on_their_number()
    {
        const int Outputs = 130, Inputs = 1040, Most = 40;
        using var card = OpenWithFp8();
        using var weight = Fp8TestMatrix.Gaussian(Outputs, Inputs, 7);
        using var arena = card.CreateArena("weight");
        MatrixView view = Upload(card, arena, weight);
        using var x = new DeviceMatrix(card, DType.BF16, Most, Inputs, 1);
        float[] all = Run(0, Most, invariant: true);
        foreach (var (first, count) in ((int, int)[])[(0, 1), (3, 2), (5, 8), (7, 9), (20, 16), (39, 1)])
        {
            float[] expected = all.AsSpan(first * Outputs, count * Outputs).ToArray();
            Assert.Equal(expected, Run(first, count, invariant: false));
            Assert.Equal(expected, Run(first, count, invariant: true));
        }

        Assert.Equal(Run(0, Most, invariant: false), Run(0, Most, invariant: false));

        float[] Run(int first, int count, bool invariant)
        {
            using var y = new DeviceMatrix(card, DType.F32, count, Outputs, 3);
            Linear.Forward(card, x.Elements + (first * x.Stride), x.Stride, view, y.Elements, y.Stride, count, false, invariant);
            return y.Read();
        }
    }

    [Fact]
    public void Weights_of_zeros_and_of_special_numbers_keep_to_their_rows()
    {
        const int Outputs = 20, Inputs = 64;
        using var card = OpenWithFp8();
        float[] values = DeviceBuffer.Gaussians(Outputs * Inputs, 3);
        values.AsSpan(0, Inputs).Clear();
        values[Inputs + 5] = float.NaN;
        using var weight = new Fp8TestMatrix(Outputs, Inputs);
        using var guarded = GuardedFloats.From(values);
        weight.Store(guarded, 0, Outputs);
        using var arena = card.CreateArena("weight");
        MatrixView view = Upload(card, arena, weight);
        foreach (int tokens in (int[])[2, 20])
        {
            using var x = new DeviceMatrix(card, DType.BF16, tokens, Inputs, 1);
            using var y = new DeviceMatrix(card, DType.F32, tokens, Outputs, 3);
            Linear.Forward(card, x.Elements, x.Stride, view, y.Elements, y.Stride, tokens, false);
            float[] read = y.Read();
            for (int i = 0; i < read.Length; i++)
            {
                Assert.Equal(i % Outputs == 1, float.IsNaN(read[i]));
                Assert.True(i % Outputs != 0 || read[i] == 0);
            }
        }
    }

    private static void Compare(DType typeInput, DType typeOutput, int[] counts, bool roundsTokens, bool invariant, double bound)
    {
        using var card = OpenWithFp8();
        int turn = 0;
        foreach (var (outputs, inputs) in Weights)
        {
            using var weight = Fp8TestMatrix.Gaussian(outputs, inputs, 7);
            using var arena = card.CreateArena("weight");
            MatrixView view = Upload(card, arena, weight);
            foreach (int tokens in counts)
            {
                int gap = (turn % 3) switch { 0 => 8, 1 => 3, _ => 0 };
                bool accumulate = turn++ % 4 == 0;
                using var x = new DeviceMatrix(card, typeInput, tokens, inputs, 1, gap);
                using var y = new DeviceMatrix(card, typeOutput, tokens, outputs, 3, gap);
                using var before = GuardedFloats.From(x.Before);

                // Tokens then stay in their type.
                bool isWidened = roundsTokens && outputs % 4 != 0;
                double[] expected = isWidened && typeInput == DType.F32
                    ? Plain(x.Before, weight, tokens)
                    : Fp8Linear.Reference(before.Pointer, inputs, weight.View, tokens, roundsTokens && !isWidened);
                Linear.Forward(card, x.Elements, x.Stride, view, y.Elements, y.Stride, tokens, accumulate, invariant);
                ProductTolerances.AssertProduct(
                    y.Read(), expected, accumulate ? y.Before : default, typeOutput, bound,
                    $"{tokens} tokens, {outputs}x{inputs}, gap {gap}, accumulate {accumulate}");
            }
        }
    }

    private static double[] Plain(float[] tokens, Fp8TestMatrix weight, int count)
    {
        float[] values = weight.Values();
        int outputs = weight.View.Rows, inputs = weight.View.Columns;
        var result = new double[count * outputs];
        for (int at = 0; at < result.Length; at++)
        {
            for (int i = 0; i < inputs; i++)
            {
                result[at] += (double)tokens[(at / outputs * inputs) + i] * values[(at % outputs * inputs) + i];
            }
        }

        return result;
    }

    private static byte[] Stored(CudaDevice card, Elements values, long stride, int rows, int columns)
    {
        using var arena = card.CreateArena("rounded");
        var matrix = new MatrixView(arena.Allocate(DType.FP8.MatrixBytes(rows, columns)), DType.FP8, rows, columns);

        // In two pieces.
        int half = rows / 2;
        Fp8Matrix.Store(card, matrix, 0, half, values, stride);
        Fp8Matrix.Store(card, matrix, half, rows - half, values + (half * stride), stride);
        byte[] bytes = new byte[DType.FP8.MatrixBytes(rows, columns)];
        card.Download<byte>(matrix.Address, bytes);
        return bytes;
    }

    private static MatrixView Upload(CudaDevice card, Arena arena, Fp8TestMatrix weight)
    {
        nint there = arena.Allocate(weight.Bytes.Length);
        card.Upload(weight.Bytes, there);
        return weight.View with { Address = there };
    }

    private static CudaDevice OpenWithFp8()
    {
        CudaDevice card = Card.Open(DType.BF16);
        if (!card.Card.HasFp8)
        {
            card.Dispose();
            Assert.Skip($"{card.Card.Name} has no E4M3");
        }

        return card;
    }
}
