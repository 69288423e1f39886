using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Residual
{
    /// <summary>Addition of two tensors, into a third and into one of them, out of cache.</summary>
    /// <remarks>Bytes an element: 12 (two read, one written).</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const double Bytes = 3.0 * RowBench.Elements * sizeof(float);
        return
        [
            RowBench.Copy($"residual-add {RowBench.Elements}", Bytes, arena =>
            {
                float* a = RowBench.Filled(arena, RowBench.Elements, 1);
                float* b = RowBench.Filled(arena, RowBench.Elements, 2);
                float* sum = RowBench.Filled(arena, RowBench.Elements, 3);
                return () => Add(device, a, b, sum, RowBench.Elements);
            }),
            RowBench.Copy($"residual-accumulate {RowBench.Elements}", Bytes, arena =>
            {
                float* a = RowBench.Filled(arena, RowBench.Elements, 1);
                float* b = RowBench.Filled(arena, RowBench.Elements, 2);
                return () => Accumulate(device, a, b, RowBench.Elements);
            }),
        ];
    }
}
