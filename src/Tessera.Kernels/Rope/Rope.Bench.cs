using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class Rope
{
    /// <summary>Queries and keys of packed rows in place: a small model's heads and those of a 1B model, out of cache.</summary>
    /// <remarks>Bytes an element: 8 (read and written). Cosines and sines of 1,024 positions stay in the caches.</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        var cases = new List<BenchCase>();
        foreach (var (tokens, heads, headDim) in new[] { (87_381, 12, 32), (13_107, 40, 64) })
        {
            double bytes = 2.0 * tokens * heads * headDim * sizeof(float);
            cases.Add(RowBench.Copy($"rope {tokens}x{heads}x{headDim}", bytes, arena =>
                BenchForward(device, arena, tokens, heads, headDim)));
        }

        return cases;
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The case keeps its table for as long as the process lives.")]
    private static Action BenchForward(Device device, Arena arena, int tokens, int heads, int headDim)
    {
        const int Positions = 1024;
        long stride = (long)heads * headDim;
        float* rows = RowBench.Filled(arena, tokens * stride, 1);
        var positions = (int*)arena.Allocate(tokens * sizeof(int));
        var table = new RopeTable(headDim, 500_000, null, Positions);
        for (int t = 0; t < tokens; t++)
        {
            positions[t] = t % Positions;
        }

        return () => Forward(device, rows, stride, heads, headDim, positions, tokens, table);
    }
}
