using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    /// <summary>Both directions of both half formats, out of cache.</summary>
    /// <remarks>Bytes an element: 6.</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        return
        [
            BenchCaseOf("f32-to-bf16", "bf16", (floats, halves) => ToBf16(device, (float*)floats, (ushort*)halves, RowBench.Elements)),
            BenchCaseOf("bf16-to-f32", "bf16", (floats, halves) => FromBf16(device, (ushort*)halves, (float*)floats, RowBench.Elements)),
            BenchCaseOf("f32-to-f16", "f16", (floats, halves) => ToF16(device, (float*)floats, (ushort*)halves, RowBench.Elements)),
            BenchCaseOf("f16-to-f32", "f16", (floats, halves) => FromF16(device, (ushort*)halves, (float*)floats, RowBench.Elements)),
        ];
    }

    private static BenchCase BenchCaseOf(string operation, string type, Action<nint, nint> run) =>
        new("row", $"{operation} {RowBench.Elements}", type, BenchCeiling.StreamCopy, 6.0 * RowBench.Elements, arena =>
        {
            nint floats = RowBench.Filled(arena, RowBench.Elements, DType.F32, 1);
            nint halves = RowBench.Filled(arena, RowBench.Elements, DType.BF16, 2);
            return () => run(floats, halves);
        });
}
