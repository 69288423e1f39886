using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class Rope
{
    /// <summary>Queries and keys of packed rows in place: a small model's heads and those of a 1B model, out of cache.</summary>
    /// <remarks>Moved for an element, in elements: 2 (read and written). Cosines and sines of 1,024 positions stay in the caches.</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var cases = new List<BenchCase>();
        foreach (var (heads, headDim) in new[] { (12, 32), (40, 64) })
        {
            int tokens = target.Elements / (heads * headDim);
            double bytes = 2.0 * tokens * heads * headDim * target.Type.Bytes();
            cases.Add(RowBench.Copy(target.Type, $"rope {tokens}x{heads}x{headDim}", bytes, arena =>
                BenchForward(target, arena, tokens, heads, headDim)));
        }

        return cases;
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The case keeps its table for as long as the process lives.")]
    private static Action BenchForward(BenchTarget target, Arena arena, int tokens, int heads, int headDim)
    {
        const int Positions = 1024;
        long stride = (long)heads * headDim;
        Elements rows = BenchInputs.Filled(arena, tokens * stride, target.Type, 1);
        var positions = (int*)BenchInputs.Of<int>(arena, [.. Enumerable.Range(0, tokens).Select(t => t % Positions)]);
        var table = new RopeTable(headDim, 500_000, null, Positions, target.Device.Memory);
        return () => Forward(target.Device, rows, stride, heads, headDim, positions, tokens, table);
    }
}
