using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases.</content>
public static unsafe partial class KeyValueStore
{
    /// <summary>Rows of many positions into caches, out of cache.</summary>
    /// <remarks>Moved for an element of keys and of values, in elements: 2.</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var cases = new List<BenchCase>();
        var (device, type, half) = (target.Device, target.Type, target.Elements / 2);
        int width = target.Width / 2, count = half / width;
        foreach (DType stored in target.StorageTypes)
        {
            double bytes = (double)target.Elements * (type.Bytes() + stored.Bytes());
            cases.Add(RowBench.Copy(stored, $"kv-append {count}x{width}", bytes, arena =>
            {
                Elements source = BenchInputs.Filled(arena, target.Elements, type, 1);
                Elements keys = BenchInputs.Filled(arena, half, stored, 2);
                Elements values = BenchInputs.Filled(arena, half, stored, 3);
                var segment = (AttentionSegment*)BenchInputs.Of<AttentionSegment>(
                    arena, [new AttentionSegment { QueryCount = count, KeyCount = count }]);
                var bounds = new AttentionBounds(1, count, count, count);
                return () => Append(device, source, source + half, width, segment, bounds, keys, values, width, width);
            }));
        }

        return cases;
    }
}
