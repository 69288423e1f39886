using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class SwiGlu
{
    /// <summary>Forward and backward at a width of 4,096, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("swiglu bench");
        foreach (BenchCase benchCase in MakeBenchCases(device, arena))
        {
            yield return benchCase;
        }
    }

    private static BenchCase[] MakeBenchCases(Device device, Arena arena)
    {
        const int Width = 4096, Tokens = RowBench.Elements / Width;
        const double Element = (double)RowBench.Elements * sizeof(float);
        float* gateUp = RowBench.Filled(arena, 2L * RowBench.Elements, 1);
        float* gradGateUp = RowBench.Filled(arena, 2L * RowBench.Elements, 2);
        float* h = RowBench.Filled(arena, RowBench.Elements, 3);
        string shape = $"{Tokens}x{Width}";
        return
        [
            new("swiglu.forward", shape, "f32", BenchCeiling.StreamCopy, 3 * Element,
                () => Forward(device, gateUp, h, Tokens, Width)),
            new("swiglu.backward", shape, "f32", BenchCeiling.StreamCopy, 5 * Element,
                () => Backward(device, gateUp, h, gradGateUp, Tokens, Width)),
        ];
    }
}
