using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class Rope
{
    /// <summary>Training steps of a small and of a 1B model. The buffers live as long as the process.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        yield return BenchForward(device, tokens: 8192, heads: 12, headDim: 32);
        yield return BenchForward(device, tokens: 4096, heads: 40, headDim: 64);
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The case keeps its table for as long as the process lives.")]
    private static BenchCase BenchForward(Device device, int tokens, int heads, int headDim)
    {
        long elements = (long)tokens * heads * headDim;
        var rows = (float*)NativeMemory.AlignedAlloc((nuint)(elements * sizeof(float)), 64);
        var positions = (int*)NativeMemory.AlignedAlloc((nuint)tokens * sizeof(int), 64);
        var table = new RopeTable(headDim, 500_000, null, 1024);
        for (long i = 0; i < elements; i++)
        {
            rows[i] = ((i * 37 % 101) - 50) * 0.01f;
        }

        for (int t = 0; t < tokens; t++)
        {
            positions[t] = t % 1024;
        }

        return new BenchCase("rope", $"{tokens}x{heads}x{headDim}", "f32", BenchCeiling.StreamCopy, 2.0 * elements * sizeof(float), () =>
            Forward(device, rows, (long)heads * headDim, heads, headDim, positions, tokens, table));
    }
}
