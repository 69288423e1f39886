using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class AdamW
{
    /// <summary>One step over 16.8 million parameters.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("adamw bench");
        yield return MakeBenchCase(device, arena);
    }

    private static BenchCase MakeBenchCase(Device device, Arena arena)
    {
        float* parameter = RowBench.Filled(arena, RowBench.Elements, 1);
        float* gradient = RowBench.Filled(arena, RowBench.Elements, 2);
        float* first = RowBench.Filled(arena, RowBench.Elements, 3);
        float* second = (float*)arena.AllocateZeroed((long)RowBench.Elements * sizeof(float));
        var settings = new AdamWSettings { LearningRate = 1e-5, WeightDecay = 0.1, Step = 1000 };
        return new BenchCase(
            "adamw", $"{RowBench.Elements}", "f32", BenchCeiling.StreamCopy, 7.0 * RowBench.Elements * sizeof(float),
            () => Step(device, parameter, gradient, first, second, RowBench.Elements, settings));
    }
}
