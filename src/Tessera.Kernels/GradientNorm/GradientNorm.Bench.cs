using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class GradientNorm
{
    /// <summary>The sum of squares of a tensor, out of cache.</summary>
    /// <remarks>Moved for an element, in elements: 1, only read.</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        int count = 2 * target.Elements;
        return
        [
            RowBench.Read(target.Type, $"gradient-norm {count}", (double)count * target.Type.Bytes(), arena =>
            {
                GradientTensor[] tensors = [new(BenchInputs.Filled(arena, count, target.Type, 1), count)];
                double* sum = (double*)arena.Allocate(sizeof(double));
                return () => SumsOfSquares(target.Device, tensors, sum);
            }),
        ];
    }
}
