using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RandomFill
{
    /// <summary>Gaussian weights of one matrix: the generator, not memory, sets the time.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Count = 1 << 20;
        return
        [
            new BenchCase("draw", $"random-fill {Count}", "f32", BenchCeiling.None, 0, arena =>
            {
                float* target = RowBench.Filled(arena, Count, 1);
                return () => Gaussian(device, target, Count, 1, 2, 0, 0.02f);
            }),
        ];
    }
}
