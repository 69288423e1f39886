using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class AdamW
{
    /// <summary>One step over 33.6 million parameters; on a device that computes in bf16 also as it trains there.</summary>
    /// <remarks>
    /// Moved for an element, in elements: 7 (parameter and both moments read and written, the gradient read), in f32 or all in bf16; mixed 30
    /// bytes (f32, and a bf16 copy written).
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        yield return BenchCaseOf(target, "adamw", DType.F32, hasWorking: false);
        if (target.Type == DType.BF16)
        {
            yield return BenchCaseOf(target, "adamw", DType.BF16, hasWorking: false);
            yield return BenchCaseOf(target, "adamw-mixed", DType.F32, hasWorking: true);
        }
    }

    private static BenchCase BenchCaseOf(BenchTarget target, string operation, DType type, bool hasWorking)
    {
        int count = target.Elements;
        double bytes = (7.0 * count * type.Bytes()) + (hasWorking ? (double)count * DType.BF16.Bytes() : 0);
        return RowBench.Copy(type, $"{operation} {count}", bytes, arena =>
        {
            AdamWTensor[] tensors =
            [
                new()
                {
                    Parameter = BenchInputs.Filled(arena, count, type, 1),
                    Gradient = BenchInputs.Filled(arena, count, type, 2),
                    FirstMoment = BenchInputs.Filled(arena, count, type, 3),
                    SecondMoment = new Elements(arena.AllocateZeroed((long)count * type.Bytes()), type),
                    Working = hasWorking ? BenchInputs.Filled(arena, count, DType.BF16, 1) : default,
                    Count = count,
                    Decays = true,
                },
            ];
            var settings = new AdamWSettings { LearningRate = 1e-5, WeightDecay = 0.1, Step = 1000 };
            return () => Step(target.Device, tensors, settings);
        });
    }
}
