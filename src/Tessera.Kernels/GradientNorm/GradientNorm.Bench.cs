using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class GradientNorm
{
    /// <summary>The sum of squares of a tensor, out of cache.</summary>
    /// <remarks>Bytes an element: 4, only read.</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Count = 2 * RowBench.Elements;
        return
        [
            RowBench.Read($"gradient-norm {Count}", (double)Count * sizeof(float), arena =>
            {
                float* x = RowBench.Filled(arena, Count, 1);
                return () => SumOfSquares(device, x, Count);
            }),
        ];
    }
}
