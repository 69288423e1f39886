using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class KeyValueStore
{
    /// <summary>A prompt's worth of rows into f32 and bf16 caches. The buffers live as long as the process.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        foreach (var type in new[] { DType.F32, DType.BF16 })
        {
            yield return BenchAppend(device, type, count: 4096, width: 1024);
        }
    }

    private static BenchCase BenchAppend(Device device, DType type, int count, int width)
    {
        long elements = (long)count * width;
        var source = (float*)NativeMemory.AlignedAlloc((nuint)(2 * elements * sizeof(float)), 64);
        nint target = (nint)NativeMemory.AlignedAlloc((nuint)(2 * elements * type.Bytes()), 64);
        for (long i = 0; i < 2 * elements; i++)
        {
            source[i] = ((i * 37 % 101) - 50) * 0.01f;
        }

        double bytes = 2.0 * elements * (sizeof(float) + type.Bytes());
        return new BenchCase("kv-append", $"{count}x{width}", type.Label(), BenchCeiling.StreamCopy, bytes, () =>
            Append(device, source, source + elements, width, count, type, target, target + (nint)(elements * type.Bytes()), width, width));
    }
}
