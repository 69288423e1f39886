using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class KeyValueStore
{
    /// <summary>Rows of many positions into f32 and bf16 caches, out of cache.</summary>
    /// <remarks>Bytes an element, of keys and of values: 8 for f32, 6 for bf16.</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        var cases = new List<BenchCase>();
        const int Width = 1024, Count = RowBench.Elements / 2 / Width;
        foreach (var type in new[] { DType.F32, DType.BF16 })
        {
            double bytes = (double)RowBench.Elements * (sizeof(float) + type.Bytes());
            cases.Add(new BenchCase("row", $"kv-append {Count}x{Width}", type.Label(), BenchCeiling.StreamCopy, bytes, arena =>
            {
                float* source = RowBench.Filled(arena, RowBench.Elements, 1);
                var keys = new Elements(RowBench.Filled(arena, RowBench.Elements / 2, type, 2), type);
                var values = new Elements(RowBench.Filled(arena, RowBench.Elements / 2, type, 3), type);
                var segment = (AttentionSegment*)arena.Allocate(sizeof(AttentionSegment));
                *segment = new AttentionSegment { QueryCount = Count, KeyCount = Count };
                var bounds = new AttentionBounds(1, Count, Count, Count);
                return () => Append(
                    device, source, source + (RowBench.Elements / 2), Width, segment, bounds, keys, values, Width, Width);
            }));
        }

        return cases;
    }
}
