using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class BlockQuantization
{
    /// <summary>Both directions in both formats, out of cache.</summary>
    /// <remarks>Bytes an element: 4 and those of its share of a block.</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device) =>
        [.. BenchPair(device, BlockFormat.Q8, "q8_0"), .. BenchPair(device, BlockFormat.Q4, "q4_0")];

    private static BenchCase[] BenchPair(Device device, BlockFormat format, string type)
    {
        const int Count = RowBench.Elements;
        double moved = (4.0 * Count) + format.Bytes(Count);
        return
        [
            new("row", $"quantize-blocks {Count}", type, BenchCeiling.StreamCopy, moved, arena =>
            {
                float* floats = RowBench.Filled(arena, Count, 1);
                byte* blocks = (byte*)arena.AllocateZeroed(format.Bytes(Count));
                return () => Quantize(device, format, floats, blocks, Count);
            }),
            new("row", $"dequantize-blocks {Count}", type, BenchCeiling.StreamCopy, moved, arena =>
            {
                float* floats = RowBench.Filled(arena, Count, 1);
                byte* blocks = (byte*)arena.AllocateZeroed(format.Bytes(Count));
                Quantize(device, format, floats, blocks, Count);
                return () => Dequantize(device, format, blocks, DType.F32, (nint)floats, Count);
            }),
        ];
    }
}
