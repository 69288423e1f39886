using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class AdamW
{
    /// <summary>One step over 33.6 million parameters.</summary>
    /// <remarks>Bytes an element: 28 (parameter and both moments read and written, the gradient read).</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Count = RowBench.Elements;
        return
        [
            RowBench.Copy($"adamw {Count}", 7.0 * Count * sizeof(float), arena =>
            {
                float* parameter = RowBench.Filled(arena, Count, 1);
                float* gradient = RowBench.Filled(arena, Count, 2);
                float* first = RowBench.Filled(arena, Count, 3);
                float* second = (float*)arena.AllocateZeroed((long)Count * sizeof(float));
                var settings = new AdamWSettings { LearningRate = 1e-5, WeightDecay = 0.1, Step = 1000 };
                return () => Step(device, parameter, gradient, first, second, Count, settings);
            }),
        ];
    }
}
