using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RmsNorm
{
    /// <summary>The forward forms and the backward pass at a width of 2,048, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("rmsnorm bench");
        foreach (BenchCase benchCase in MakeBenchCases(device, arena))
        {
            yield return benchCase;
        }
    }

    private static BenchCase[] MakeBenchCases(Device device, Arena arena)
    {
        const int Width = 2048, Tokens = RowBench.Elements / Width;
        const double Element = (double)RowBench.Elements * sizeof(float);
        float* x = RowBench.Filled(arena, RowBench.Elements, 1);
        float* branch = RowBench.Filled(arena, RowBench.Elements, 2);
        float* y = RowBench.Filled(arena, RowBench.Elements, 3);
        float* updated = RowBench.Filled(arena, RowBench.Elements, 4);
        float* gain = RowBench.Filled(arena, Width, 5);
        float* gradGain = RowBench.Filled(arena, Width, 6);
        float* inverseRms = RowBench.Filled(arena, Tokens, 7);
        string shape = $"{Tokens}x{Width}";
        return
        [
            new("rmsnorm.forward", shape, "f32", BenchCeiling.StreamCopy, 2 * Element,
                () => Forward(device, x, gain, y, inverseRms, Tokens, Width, 1e-5f)),
            new("rmsnorm.add-forward", shape, "f32", BenchCeiling.StreamCopy, 4 * Element,
                () => AddForward(device, x, branch, updated, gain, y, inverseRms, Tokens, Width, 1e-5f)),
            new("rmsnorm.backward", shape, "f32", BenchCeiling.StreamCopy, 3 * Element,
                () => Backward(device, branch, x, inverseRms, gain, y, false, gradGain, Tokens, Width)),
        ];
    }
}
