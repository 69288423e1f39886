using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class GradientNorm
{
    /// <summary>The sum of squares of a tensor, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("gradient norm bench");
        yield return MakeBenchCase(device, arena);
    }

    private static BenchCase MakeBenchCase(Device device, Arena arena)
    {
        const int Count = 4 * RowBench.Elements;
        float* x = RowBench.Filled(arena, Count, 1);
        return new BenchCase(
            "gradient-norm", $"{Count}", "f32", BenchCeiling.StreamRead, (double)Count * sizeof(float),
            () => SumOfSquares(device, x, Count));
    }
}
