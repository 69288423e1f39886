using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RandomFill
{
    /// <summary>Gaussian weights of one matrix: the generator, not memory, sets the time.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        int count = target.Pick(1 << 12, 1 << 20, 1 << 24);
        return
        [
            new BenchCase("draw", $"random-fill {count}", target.Type.Label(), BenchCeiling.None, 0, arena =>
            {
                Elements filled = BenchInputs.Filled(arena, count, target.Type, 1);
                return () => Gaussian(target.Device, filled, count, 1, 2, 0, 0.02f);
            }),
        ];
    }
}
