using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    /// <summary>Absolute sums at a width of 8,192, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("channel statistics bench");
        yield return MakeBenchCase(device, arena);
    }

    private static BenchCase MakeBenchCase(Device device, Arena arena)
    {
        const int Width = 8192, Tokens = 4 * RowBench.Elements / Width;
        float* x = RowBench.Filled(arena, (long)Tokens * Width, 1);
        double* sums = (double*)arena.AllocateZeroed(Width * sizeof(double));
        return new BenchCase(
            "channel-statistics.absolute", $"{Tokens}x{Width}", "f32", BenchCeiling.StreamRead, (double)Tokens * Width * sizeof(float),
            () => AccumulateAbsolute(device, x, sums, Tokens, Width));
    }
}
