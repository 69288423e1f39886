using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Bias
{
    /// <summary>Both directions at a width of 2,048, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("bias bench");
        foreach (BenchCase benchCase in MakeBenchCases(device, arena))
        {
            yield return benchCase;
        }
    }

    private static BenchCase[] MakeBenchCases(Device device, Arena arena)
    {
        const int Width = 2048, Tokens = RowBench.Elements / Width;
        const double Bytes = (double)RowBench.Elements * sizeof(float);
        float* y = RowBench.Filled(arena, RowBench.Elements, 1);
        float* bias = RowBench.Filled(arena, Width, 2);
        float* gradient = RowBench.Filled(arena, Width, 3);
        string shape = $"{Tokens}x{Width}";
        return
        [
            new("bias.forward", shape, "f32", BenchCeiling.StreamCopy, 2 * Bytes, () => Forward(device, y, bias, Tokens, Width)),
            new("bias.backward", shape, "f32", BenchCeiling.StreamRead, Bytes, () => Backward(device, y, gradient, Tokens, Width)),
        ];
    }
}
