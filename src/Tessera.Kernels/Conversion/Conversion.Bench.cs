using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class Conversion
{
    /// <summary>Both directions of both half formats, out of cache.</summary>
    /// <remarks>Bytes an element: 6.</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (device, count) = (target.Device, target.Elements);
        return
        [
            BenchCaseOf("f32-to-bf16", "bf16", count, (floats, halves) => ToBf16(device, (float*)floats, (ushort*)halves, count)),
            BenchCaseOf("bf16-to-f32", "bf16", count, (floats, halves) => FromBf16(device, (ushort*)halves, (float*)floats, count)),
            BenchCaseOf("f32-to-f16", "f16", count, (floats, halves) => ToF16(device, (float*)floats, (ushort*)halves, count)),
            BenchCaseOf("f16-to-f32", "f16", count, (floats, halves) => FromF16(device, (ushort*)halves, (float*)floats, count)),
        ];
    }

    private static BenchCase BenchCaseOf(string operation, string type, int count, Action<nint, nint> run) =>
        new("row", $"{operation} {count}", type, BenchCeiling.StreamCopy, 6.0 * count, arena =>
        {
            nint floats = BenchInputs.Filled(arena, count, DType.F32, 1).Address;
            nint halves = BenchInputs.Filled(arena, count, DType.BF16, 2).Address;
            return () => run(floats, halves);
        });
}
