using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class ChannelStatisticsTests
{
    public static TheoryData<int, int> Shapes => RowData.Shapes;

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Sums_of_absolutes_accumulate_and_match_the_reference(int tokens, int width)
    {
        using var device = new CpuDevice(2);
        using var x = GuardedFloats.Random(tokens * width, 1, misalignment: 1);
        double[] sums = RowData.Gaussians(width, 2), expected = [.. sums];
        ChannelStatistics.ReferenceAccumulateAbsolute(RowData.Wide(x.Span), expected);
        fixed (double* pointer = sums)
        {
            ChannelStatistics.AccumulateAbsolute(device, x.Pointer, pointer, tokens, width);
        }

        for (int i = 0; i < width; i++)
        {
            Assert.True(
                Math.Abs(sums[i] - expected[i]) <= 1e-6 * Math.Max(1, expected[i]),
                $"channel {i}: {sums[i]:R} instead of {expected[i]:R}");
        }
    }

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(3, 17, 0)]
    [InlineData(70, 33, 5)]
    [InlineData(129, 64, 1)]
    public void Column_norms_match_the_reference_for_both_types_and_any_stride(int rows, int columns, int padding)
    {
        using var device = new CpuDevice(3);
        using var weight = GuardedFloats.Random(rows * (columns + padding), 1);
        var halves = new ushort[weight.Length];
        double[] wide = new double[rows * columns], rounded = new double[rows * columns];
        for (int i = 0; i < wide.Length; i++)
        {
            int at = (i / columns * (columns + padding)) + (i % columns);
            halves[at] = Bf16.Round(weight.Span[at]);
            (wide[i], rounded[i]) = (weight.Span[at], Bf16.Widen(halves[at]));
        }

        fixed (ushort* address = halves)
        {
            AssertNorms(device, new MatrixView((nint)weight.Pointer, DType.F32, rows, columns, columns + padding), wide);
            AssertNorms(device, new MatrixView((nint)address, DType.BF16, rows, columns, columns + padding), rounded);
        }
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits()
    {
        const int Tokens = 333, Width = 101;
        RowData.AssertSameBits(device =>
        {
            using var x = GuardedFloats.Random(Tokens * Width, 1);
            var sums = new double[Width];
            fixed (double* pointer = sums)
            {
                ChannelStatistics.AccumulateAbsolute(device, x.Pointer, pointer, Tokens, Width);
            }

            return [.. sums.SelectMany(sum => (float[])[(float)sum, (float)(sum - (float)sum)])];
        });
    }

    private static void AssertNorms(CpuDevice device, MatrixView weight, double[] dense)
    {
        double[] norms = new double[weight.Columns], expected = new double[weight.Columns];
        ChannelStatistics.ReferenceColumnNorms(dense, expected);
        fixed (double* pointer = norms)
        {
            ChannelStatistics.ColumnNorms(device, weight, pointer);
        }

        for (int i = 0; i < norms.Length; i++)
        {
            Assert.True(Math.Abs(norms[i] - expected[i]) <= 1e-12 * expected[i], $"column {i}: {norms[i]:R} instead of {expected[i]:R}");
        }
    }
}
