using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    private const int BenchCount = 32 << 20;

    /// <summary>Both directions over arrays larger than the caches.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        float[] floats = Gemm.BenchInputs(BenchCount, DType.F32);
        float[] halves = Gemm.BenchInputs(BenchCount / 2, DType.BF16);
        return
        [
            BenchCaseOf("conversion.to-bf16", () => ToBf16(device, Address(floats), (ushort*)Address(halves), BenchCount)),
            BenchCaseOf("conversion.from-bf16", () => FromBf16(device, (ushort*)Address(halves), Address(floats), BenchCount)),
            BenchCaseOf("conversion.to-f16", () => ToF16(device, Address(floats), (ushort*)Address(halves), BenchCount)),
            BenchCaseOf("conversion.from-f16", () => FromF16(device, (ushort*)Address(halves), Address(floats), BenchCount)),
        ];
    }

    private static BenchCase BenchCaseOf(string name, Action run) =>
        new(name, $"{BenchCount}", name[^4..].TrimStart('-'), BenchCeiling.StreamCopy, 6.0 * BenchCount, run);

    private static float* Address(float[] pinned) => (float*)Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0);
}
