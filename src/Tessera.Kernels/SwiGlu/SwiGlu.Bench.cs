using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class SwiGlu
{
    /// <summary>Forward and backward, out of cache.</summary>
    /// <remarks>
    /// Bytes an element of h: forward 12 (gate, up, h); backward 20 (gate, up, gradH, gradGate, gradUp), in place of the
    /// gates and ups the same.
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Width = 4096, Tokens = RowBench.Elements / Width;
        const double Element = (double)RowBench.Elements * sizeof(float);
        string sizes = $"{Tokens}x{Width}";
        return
        [
            RowBench.Copy($"swiglu {sizes}", 3 * Element, arena =>
            {
                float* gateUp = RowBench.Filled(arena, 2L * RowBench.Elements, 1);
                float* h = RowBench.Filled(arena, RowBench.Elements, 2);
                return () => Forward(device, gateUp, h, Tokens, Width);
            }),
            RowBench.Copy($"swiglu-backward {sizes}", 5 * Element, arena =>
            {
                float* gateUp = RowBench.Filled(arena, 2L * RowBench.Elements, 1);
                float* gradGateUp = RowBench.Filled(arena, 2L * RowBench.Elements, 2);
                float* gradH = RowBench.Filled(arena, RowBench.Elements, 3);
                return () => Backward(device, gateUp, gradH, gradGateUp, Tokens, Width);
            }),
        ];
    }
}
