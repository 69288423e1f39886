using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    /// <summary>Absolute sums and column norms at a width of 8,192, out of cache.</summary>
    /// <remarks>Moved for an element, in elements: 1, only read.</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (device, type) = (target.Device, target.Type);
        int width = 4 * target.Width, tokens = target.Tokens / 2;
        double bytes = (double)tokens * width * type.Bytes();
        return
        [
            RowBench.Read(type, $"channel-absolute {tokens}x{width}", bytes, arena =>
            {
                Elements x = BenchInputs.Filled(arena, (long)tokens * width, type, 1);
                double* sums = (double*)arena.AllocateZeroed(width * sizeof(double));
                return () => AccumulateAbsolute(device, x, sums, tokens, width);
            }),
            RowBench.Read(type, $"channel-norms {tokens}x{width}", bytes, arena =>
            {
                var view = MatrixView.Of(BenchInputs.Filled(arena, (long)tokens * width, type, 1), tokens, width);
                double* norms = (double*)arena.AllocateZeroed(width * sizeof(double));
                return () => ColumnNorms(device, view, norms);
            }),
        ];
    }
}
