using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Residual
{
    /// <summary>Addition of two tensors, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("residual bench");
        yield return MakeBenchCase(device, arena);
    }

    private static BenchCase MakeBenchCase(Device device, Arena arena)
    {
        float* a = RowBench.Filled(arena, RowBench.Elements, 1);
        float* b = RowBench.Filled(arena, RowBench.Elements, 2);
        float* sum = RowBench.Filled(arena, RowBench.Elements, 3);
        return new BenchCase(
            "residual.add", $"{RowBench.Elements}", "f32", BenchCeiling.StreamCopy, 3.0 * RowBench.Elements * sizeof(float),
            () => Add(device, a, b, sum, RowBench.Elements));
    }
}
