using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class RandomFillTests
{
    [Fact]
    public void Numbers_do_not_depend_on_threads_or_on_how_a_tensor_is_cut()
    {
        const int count = 20_001;
        const ulong seed = 0x1234_5678_9ABC, stream = 77;
        float[] expected = new float[count];
        RandomFill.ReferenceGaussian(expected, seed, stream, 3, 0.02f);
        foreach (int threads in RowData.ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            using var whole = new GuardedFloats(count);
            using var pieces = new GuardedFloats(count);
            RandomFill.Gaussian(device, whole.Pointer, count, seed, stream, 3, 0.02f);
            foreach (var (start, end) in ((int, int)[])[(0, 1), (1, 6000), (6000, 6001), (6001, count)])
            {
                RandomFill.Gaussian(device, pieces.Pointer + start, end - start, seed, stream, 3 + start, 0.02f);
            }

            Assert.Equal(expected, whole.Checked().ToArray());
            Assert.Equal(expected, pieces.Checked().ToArray());
        }
    }

    [Fact]
    public void Numbers_are_normal_and_narrow_types_get_their_rounding()
    {
        const int count = 100_000;
        using var device = new CpuDevice(2);
        using var wide = new GuardedFloats(count);
        ushort[] narrow = new ushort[count];
        RandomFill.Gaussian(device, wide.Pointer, count, 5, 1, 0, 2f);
        fixed (ushort* pointer = narrow)
        {
            RandomFill.Gaussian(device, new Elements((nint)pointer, DType.BF16), count, 5, 1, 0, 2f);
        }

        Assert.Equal(wide.Span.ToArray().Select(Bf16.Round), narrow);
        double[] values = RowData.Wide(wide.Span);

        // Five standard errors of the mean, the variance and the share within one deviation.
        Assert.InRange(values.Average(), -5 * 2 / Math.Sqrt(count), 5 * 2 / Math.Sqrt(count));
        Assert.InRange(values.Average(value => value * value), 4 - (5 * 4 * Math.Sqrt(2.0 / count)), 4 + (5 * 4 * Math.Sqrt(2.0 / count)));
        Assert.InRange(values.Count(value => Math.Abs(value) < 2) / (double)count, 0.6827 - 0.0074, 0.6827 + 0.0074);

        RandomFill.Constant(device, wide.Pointer, count, 1.5f);
        Assert.False(wide.Checked().ContainsAnyExcept(1.5f));
    }
}
