using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Residual
{
    /// <summary>Addition of two tensors, into a third and into one of them, out of cache.</summary>
    /// <remarks>Moved for an element, in elements: 3 (two read, one written).</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (device, type, count) = (target.Device, target.Type, target.Elements);
        double bytes = 3.0 * count * type.Bytes();
        return
        [
            RowBench.Copy(type, $"residual-add {count}", bytes, arena =>
            {
                Elements a = BenchInputs.Filled(arena, count, type, 1);
                Elements b = BenchInputs.Filled(arena, count, type, 2);
                Elements sum = BenchInputs.Filled(arena, count, type, 3);
                return () => Add(device, a, b, sum, count);
            }),
            RowBench.Copy(type, $"residual-accumulate {count}", bytes, arena =>
            {
                Elements a = BenchInputs.Filled(arena, count, type, 1);
                Elements b = BenchInputs.Filled(arena, count, type, 2);
                return () => Accumulate(device, a, b, count);
            }),
        ];
    }
}
