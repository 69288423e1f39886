using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    /// <summary>Absolute sums and column norms at a width of 8,192, out of cache.</summary>
    /// <remarks>Bytes an element: 4, only read.</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Width = 8192, Tokens = 2 * RowBench.Elements / Width;
        const double Bytes = (double)Tokens * Width * sizeof(float);
        return
        [
            RowBench.Read($"channel-absolute {Tokens}x{Width}", Bytes, arena =>
            {
                float* x = RowBench.Filled(arena, (long)Tokens * Width, 1);
                double* sums = (double*)arena.AllocateZeroed(Width * sizeof(double));
                return () => AccumulateAbsolute(device, x, sums, Tokens, Width);
            }),
            RowBench.Read($"channel-norms {Tokens}x{Width}", Bytes, arena =>
            {
                var view = new MatrixView((nint)RowBench.Filled(arena, (long)Tokens * Width, 1), DType.F32, Tokens, Width);
                double* norms = (double*)arena.AllocateZeroed(Width * sizeof(double));
                return () => ColumnNorms(device, view, norms);
            }),
        ];
    }
}
