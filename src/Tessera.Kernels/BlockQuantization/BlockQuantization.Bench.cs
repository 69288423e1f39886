using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class BlockQuantization
{
    private const int BenchCount = 16 << 20;

    /// <summary>Both directions in both formats over arrays larger than the caches.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device) =>
        [.. BenchPair(device, BlockFormat.Q8, "q8_0"), .. BenchPair(device, BlockFormat.Q4, "q4_0")];

    private static BenchCase[] BenchPair(Device device, BlockFormat format, string type)
    {
        float[] floats = Gemm.BenchInputs(BenchCount, DType.F32);
        byte[] blocks = GC.AllocateArray<byte>((int)format.Bytes(BenchCount), pinned: true);
        double moved = (4.0 * BenchCount) + blocks.Length;
        return
        [
            new("block-quantization.quantize", $"{BenchCount}", type, BenchCeiling.StreamCopy, moved,
                () => Quantize(device, format, (float*)Pinned(floats), (byte*)Pinned(blocks), BenchCount)),
            new("block-quantization.dequantize", $"{BenchCount}", type, BenchCeiling.StreamCopy, moved,
                () => Dequantize(device, format, (byte*)Pinned(blocks), DType.F32, Pinned(floats), BenchCount)),
        ];
    }

    private static nint Pinned<T>(T[] array) => Marshal.UnsafeAddrOfPinnedArrayElement(array, 0);
}
