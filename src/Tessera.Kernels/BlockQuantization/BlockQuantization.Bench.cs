using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class BlockQuantization
{
    /// <summary>Both directions in both formats, out of cache; the processor's alone.</summary>
    /// <remarks>Bytes an element: 4 and those of its share of a block.</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target) => target.Device is CudaDevice
        ? []
        : [.. BenchPair(target, BlockFormat.Q8, "q8_0"), .. BenchPair(target, BlockFormat.Q4, "q4_0")];

    private static BenchCase[] BenchPair(BenchTarget target, BlockFormat format, string type)
    {
        var (device, count) = (target.Device, target.Elements);
        double moved = (4.0 * count) + format.Bytes(count);
        return
        [
            new("row", $"quantize-blocks {count}", type, BenchCeiling.StreamCopy, moved, arena =>
            {
                float* floats = BenchInputs.Floats(arena, count, 1);
                byte* blocks = (byte*)arena.AllocateZeroed(format.Bytes(count));
                return () => Quantize(device, format, floats, blocks, count);
            }),
            new("row", $"dequantize-blocks {count}", type, BenchCeiling.StreamCopy, moved, arena =>
            {
                float* floats = BenchInputs.Floats(arena, count, 1);
                byte* blocks = (byte*)arena.AllocateZeroed(format.Bytes(count));
                Quantize(device, format, floats, blocks, count);
                return () => Dequantize(device, format, blocks, DType.F32, (nint)floats, count);
            }),
        ];
    }
}
