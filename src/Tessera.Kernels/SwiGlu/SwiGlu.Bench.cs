using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class SwiGlu
{
    /// <summary>Forward and backward, out of cache.</summary>
    /// <remarks>
    /// Moved for an element of h, in elements: forward 3 (gate, up, h); backward 5 (gate, up, gradH, gradGate, gradUp), in place of the
    /// gates and ups the same.
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (device, type, count) = (target.Device, target.Type, target.Elements);
        int width = 2 * target.Width, tokens = target.Tokens / 2;
        double tensor = (double)count * type.Bytes();
        string sizes = $"{tokens}x{width}";
        return
        [
            RowBench.Copy(type, $"swiglu {sizes}", 3 * tensor, arena =>
            {
                Elements gateUp = BenchInputs.Filled(arena, 2L * count, type, 1);
                Elements h = BenchInputs.Filled(arena, count, type, 2);
                return () => Forward(device, gateUp, h, tokens, width);
            }),
            RowBench.Copy(type, $"swiglu-backward {sizes}", 5 * tensor, arena =>
            {
                Elements gateUp = BenchInputs.Filled(arena, 2L * count, type, 1);
                Elements gradGateUp = BenchInputs.Filled(arena, 2L * count, type, 2);
                Elements gradH = BenchInputs.Filled(arena, count, type, 3);
                return () => Backward(device, gateUp, gradH, gradGateUp, tokens, width);
            }),
        ];
    }
}
