using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class GradientNormTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(32767)]
    [InlineData(32769)]
    [InlineData(100003)]
    public void Sum_matches_the_reference(int count)
    {
        using var device = new CpuDevice(2);
        using var x = GuardedFloats.Random(count, 1, misalignment: 1);
        double expected = GradientNorm.ReferenceSumOfSquares(RowData.Wide(x.Span));
        double actual = GradientNorm.SumOfSquares(device, x.Pointer, count);
        Assert.True(Math.Abs(actual - expected) <= 1e-12 * expected, $"{actual:R} instead of {expected:R}");
    }

    [Fact]
    public void Whole_numbers_give_the_closed_form()
    {
        const int Count = 40_000;
        using var device = new CpuDevice(2);
        using var x = GuardedFloats.From([.. Enumerable.Range(1, Count).Select(i => (float)i)]);
        Assert.Equal(Count * (Count + 1.0) * ((2.0 * Count) + 1) / 6, GradientNorm.SumOfSquares(device, x.Pointer, Count));
    }

    [Fact]
    public void Huge_values_do_not_overflow_and_undefined_ones_are_seen()
    {
        using var device = new CpuDevice(1);
        using var x = GuardedFloats.From([1e30f, 1e30f]);
        Assert.Equal(2e60, GradientNorm.SumOfSquares(device, x.Pointer, 2), 1e54);
        x.Span[1] = float.NaN;
        Assert.True(double.IsNaN(GradientNorm.SumOfSquares(device, x.Pointer, 2)));
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits()
    {
        using var x = GuardedFloats.Random(300_007, 1);
        long? expected = null;
        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            long bits = BitConverter.DoubleToInt64Bits(GradientNorm.SumOfSquares(device, x.Pointer, x.Length));
            Assert.Equal(expected ?? bits, bits);
            expected = bits;
        }
    }
}
