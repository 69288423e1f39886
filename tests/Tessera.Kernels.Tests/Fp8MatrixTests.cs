using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public sealed unsafe class Fp8MatrixTests
{
    private static readonly CpuDevice Device = new(1);

    [Fact]
    public void Patterns_are_the_numbers_of_E4M3()
    {
        for (int bits = 0; bits < 256; bits++)
        {
            int exponent = (bits >> 3) & 15, mantissa = bits & 7;
            double expected = exponent == 15 && mantissa == 7 ? double.NaN
                : (bits >= 128 ? -1 : 1) * (exponent == 0 ? mantissa / 512.0 : (1 + (mantissa / 8.0)) * Math.Pow(2, exponent - 7));
            float value = Fp8.Widen((byte)bits);
            Assert.Equal(expected, value);
            Assert.Equal(double.IsNaN(expected) ? 0x7F : bits, Fp8.Round(value));
        }

        Assert.Equal(Fp8.Largest, Fp8.Widen(0x7E));
    }

    [Fact]
    public void Rounding_takes_the_nearest_number_and_the_even_one_of_two()
    {
        var random = new CounterRandom(1, 2);
        var values = new List<float> { 0f, float.Epsilon, 1e-30f, 448f, 463f, 464f, 465f, 1e30f, float.PositiveInfinity, float.MaxValue };
        for (int bits = 0; bits < 0x7E; bits++)
        {
            float low = Fp8.Widen((byte)bits), high = Fp8.Widen((byte)(bits + 1)), middle = (low + high) / 2;
            values.AddRange([low, middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle), low + ((high - low) * random.NextSingle())]);
        }

        foreach (float value in values)
        {
            // Beyond the largest number there is none to round to.
            double magnitude = Math.Min(value, 448.0);
            int nearest = Enumerable.Range(0, 0x7F).OrderBy(bits => Math.Abs(Fp8.Widen((byte)bits) - magnitude)).ThenBy(bits => bits & 1).First();
            Assert.Equal(nearest, Fp8.Round(value));
            Assert.Equal(nearest | 0x80, Fp8.Round(-value));
        }
    }

    [Theory]
    [InlineData(3, 17, 3 * (32 + 4))]
    [InlineData(1, 16, 20)]
    [InlineData(5, 1, 5 * 20)]
    [InlineData(0, 16, 0)]
    public void Rows_are_whole_packs_and_scales_follow_them(int rows, int columns, int bytes)
    {
        Assert.Equal(bytes, DType.FP8.MatrixBytes(rows, columns));
        Assert.Equal("fp8", DType.FP8.Label());
        Assert.True(DType.FP8.HasScales() && !DType.FP8.IsGrouped());
        Assert.Throws<ArgumentException>(() => DType.FP8.Bytes());
        var view = new MatrixView(4096, DType.FP8, rows, columns);
        Assert.Equal(4096 + bytes - (rows * 4), view.Scales);
    }

    [Fact]
    public void Gaussian_rows_lose_what_three_bits_of_mantissa_lose()
    {
        const int Rows = 40, Columns = 1000;
        using var values = GuardedFloats.Random(Rows * Columns, 5);
        using var matrix = new Fp8TestMatrix(Rows, Columns);
        matrix.Store(values, 0, Rows);
        float[] rounded = matrix.Values();
        double error = 0, norm = 0;
        for (int i = 0; i < rounded.Length; i++)
        {
            error += Math.Pow(rounded[i] - values.Span[i], 2);
            norm += Math.Pow(values.Span[i], 2);
        }

        Assert.InRange(Math.Sqrt(error / norm), 2.4e-2, 2.9e-2);
        for (int row = 0; row < Rows; row++)
        {
            float largest = 0;
            foreach (float value in values.Span.Slice(row * Columns, Columns))
            {
                largest = Math.Max(largest, Math.Abs(value));
            }

            Assert.Equal(largest / 448f, matrix.Scales[row]);
            Assert.Contains((byte)0x7E, matrix.Row(row).ToArray().Select(bits => (byte)(bits & 0x7F)));
        }
    }

    [Fact]
    public void Rows_without_a_scale_have_1_and_padding_is_zero()
    {
        const int Columns = 21;
        using var values = GuardedFloats.Random(6 * Columns, 6);
        values.Span[..Columns].Clear();
        values.Span[Columns] = float.NaN;
        values.Span[2 * Columns] = float.NegativeInfinity;
        values.Span.Slice(3 * Columns, Columns).Fill(1e-37f);
        values.Span.Slice(4 * Columns, Columns).Fill(-3e38f);
        using var matrix = new Fp8TestMatrix(6, Columns);
        matrix.Store(values, 0, 6);
        Assert.Equal([1f, 1f, 1f, 1f, 3e38f / 448f], matrix.Scales[..5].ToArray());
        Assert.True(matrix.Row(0).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal(0x7F, matrix.Row(1)[0]);
        Assert.Equal(0xFE, matrix.Row(2)[0]);
        Assert.True(matrix.Row(3).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal(0xFE, matrix.Row(4)[Columns - 1]);
        for (int row = 0; row < 6; row++)
        {
            Assert.True(matrix.Row(row)[Columns..].IndexOfAnyExcept((byte)0) < 0);
        }
    }

    [Fact]
    public void Rows_are_stored_and_seen_in_pieces()
    {
        const int Rows = 37, Columns = 50;
        using var values = GuardedFloats.Random(Rows * Columns, 7);
        using var whole = new Fp8TestMatrix(Rows, Columns);
        using var parts = new Fp8TestMatrix(Rows, Columns);
        whole.Store(values, 0, Rows);
        foreach (var (first, count) in ((int, int)[])[(30, 7), (0, 11), (11, 19), (5, 0)])
        {
            parts.Store(values, first, count);
        }

        Assert.Equal(whole.Bytes, parts.Bytes);
        MatrixView view = Fp8Matrix.RowsView(Fp8Matrix.RowsView(whole.View, 5, 20), 6, 3);
        float[] all = whole.Values(), seen = new float[3 * Columns];
        fixed (float* pointer = seen)
        {
            Fp8Matrix.Load(Device, view, 0, 3, pointer, Columns);
        }

        Assert.Equal(all.AsSpan(11 * Columns, 3 * Columns).ToArray(), seen);
        string message = Assert.Throws<ArgumentException>(() => Fp8Matrix.RowsView(whole.View, 36, 2)).Message;
        Assert.Contains("37 rows", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, 2.3e-2, 3.0e-2)]
    [InlineData(true, 3.3e-2, 4.3e-2)]
    public void The_reference_is_the_product_of_what_is_stored(bool roundsTokens, double least, double most)
    {
        const int Tokens = 5, Outputs = 33, Inputs = 600;
        using var w = GuardedFloats.Random(Outputs * Inputs, 8);
        using var x = GuardedFloats.Random(Tokens * (Inputs + 3), 9);
        using var weight = new Fp8TestMatrix(Outputs, Inputs);
        weight.Store(w, 0, Outputs);
        double[] actual = Fp8Linear.Reference(x.Pointer, Inputs + 3, weight.View, Tokens, roundsTokens);
        using var tokens = new Fp8TestMatrix(Tokens, Inputs);
        Fp8Matrix.Store(Device, tokens.View, 0, Tokens, x.Pointer, Inputs + 3);
        float[] wide = weight.Values(), rounded = tokens.Values();
        double error = 0, distance = 0, norm = 0;
        for (int t = 0; t < Tokens; t++)
        {
            for (int o = 0; o < Outputs; o++)
            {
                double stored = 0, exact = 0;
                for (int i = 0; i < Inputs; i++)
                {
                    float token = x.Span[(t * (Inputs + 3)) + i];
                    stored += (double)wide[(o * Inputs) + i] * (roundsTokens ? rounded[(t * Inputs) + i] : Bf16.Widen(Bf16.Round(token)));
                    exact += (double)token * w.Span[(o * Inputs) + i];
                }

                error += Math.Pow(actual[(t * Outputs) + o] - stored, 2);
                distance += Math.Pow(actual[(t * Outputs) + o] - exact, 2);
                norm += exact * exact;
            }
        }

        // Values are rounded to f32 once where they are made of scale and number.
        Assert.InRange(Math.Sqrt(error / norm), 0, 1e-7);
        Assert.InRange(Math.Sqrt(distance / norm), least, most);
    }

    [Fact]
    public void The_processor_refuses_in_one_sentence()
    {
        using var weight = Fp8TestMatrix.Gaussian(4, 16, 10);
        using var x = GuardedFloats.Random(16, 11);
        using var y = new GuardedFloats(4);
        MatrixView view = weight.View;
        string message = Assert.Throws<NotSupportedException>(() => Linear.Forward(Device, x.Pointer, 16, view, y.Pointer, 4, 1, false)).Message;
        Assert.Equal("fp8 weights need a card of compute capability 8.9 or newer, not cpu", message);
        Assert.Throws<ArgumentException>(() => Linear.BackwardInput(Device, y.Pointer, 4, view, x.Pointer, 16, 1, false));
    }
}
