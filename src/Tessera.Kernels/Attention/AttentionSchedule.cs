using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>One worker's unit: some queries of one segment with all query heads of one key-value head.</summary>
internal struct AttentionItem
{
    public int Segment;
    public int KvHead;
    public int FirstQuery;
    public int QueryCount;
}

/// <summary>
/// The units of one call, longest first. Workers take the next one from a shared counter, so ragged batches balance
/// themselves; results do not depend on who takes what, because units write disjoint rows.
/// </summary>
internal unsafe struct AttentionSchedule
{
    private AttentionItem* _items;
    private long* _order;
    private int _next;

    /// <summary>Number of units.</summary>
    public int Count { get; private set; }

    /// <summary>Visible pairs of query and key, summed over key-value heads.</summary>
    public long Pairs { get; private set; }

    /// <summary>Most queries in a unit.</summary>
    public int LongestItem { get; private set; }

    /// <summary>Splits segments into units of at most <paramref name="chunk"/> queries.</summary>
    public static AttentionSchedule Build(
        CpuDevice device, AttentionSegment* segments, in AttentionBounds bounds, in AttentionShape shape, int chunk)
    {
        if (device.IsPlanning)
        {
            return Plan(device.Scratch, bounds, shape, chunk);
        }

        var scratch = device.Scratch;
        int kvHeads = shape.KvHeads, segmentCount = bounds.Segments;
        long total = 0;
        for (int s = 0; s < segmentCount; s++)
        {
            total += (((long)segments[s].QueryCount + chunk - 1) / chunk) * kvHeads;
        }

        int capacity = checked((int)total);
        var schedule = new AttentionSchedule
        {
            _items = (AttentionItem*)scratch.Allocate(total * sizeof(AttentionItem)),
            _order = (long*)scratch.Allocate(total * sizeof(long)),
        };
        for (int s = 0; s < segmentCount; s++)
        {
            int queries = segments[s].QueryCount;
            for (int first = 0; first < queries; first += chunk)
            {
                int count = Math.Min(chunk, queries - first);
                long seen = segments[s].KeyCount - queries + first;
                long pairs = VisiblePairs(seen + count, shape.Window) - VisiblePairs(seen, shape.Window);
                schedule.Add(new AttentionItem { Segment = s, FirstQuery = first, QueryCount = count }, pairs, kvHeads);
            }
        }

        new Span<long>(schedule._order, capacity).Sort();
        return schedule;
    }

    /// <summary>As many units as segments within the bounds can have: on a device that only counts there are none to look at.</summary>
    private static AttentionSchedule Plan(Arena scratch, in AttentionBounds bounds, in AttentionShape shape, int chunk)
    {
        long total = ((bounds.Tokens / chunk) + (long)bounds.Segments) * shape.KvHeads;
        long pairs = (long)bounds.Tokens * bounds.LongestKeys * shape.KvHeads;
        return new AttentionSchedule
        {
            _items = (AttentionItem*)scratch.Allocate(total * sizeof(AttentionItem)),
            _order = (long*)scratch.Allocate(total * sizeof(long)),
            Count = checked((int)total),
            Pairs = pairs,
            LongestItem = Math.Min(chunk, bounds.LongestQueries),
        };
    }

    /// <summary>The next unit for a worker, or null when all are taken.</summary>
    public AttentionItem* Take()
    {
        int taken = Interlocked.Increment(ref _next);
        return taken > Count ? null : _items + (int)(_order[Count - taken] & 0x7FFF_FFFF);
    }

    /// <summary>Pairs of a query and a key that it sees, over the first <paramref name="positions"/> positions of a sequence.</summary>
    private static long VisiblePairs(long positions, int window)
    {
        long all = positions * (positions + 1) / 2;
        long hidden = window == 0 ? 0 : Math.Max(0, positions - window);
        return all - (hidden * (hidden + 1) / 2);
    }

    private void Add(AttentionItem item, long pairs, int kvHeads)
    {
        for (int k = 0; k < kvHeads; k++)
        {
            item.KvHead = k;
            _items[Count] = item;

            // Sorted as one integer: cost above, number below, so equal costs keep a fixed order.
            _order[Count] = (Math.Min(pairs, int.MaxValue) << 31) | (long)Count;
            Count++;
        }

        Pairs += pairs * kvHeads;
        LongestItem = Math.Max(LongestItem, item.QueryCount);
    }
}
