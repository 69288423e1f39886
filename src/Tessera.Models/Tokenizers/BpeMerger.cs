using System.Buffers;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Byte-pair merging of one piece: as long as some neighbours may merge, those of the lowest rank do, the leftmost first.
/// </summary>
internal static class BpeMerger
{
    // Up to here, scanning all pairs for every merge is faster than keeping a heap.
    private const int ShortPiece = 48;

    /// <summary>Merges in place; the first elements of <paramref name="symbols"/>, as many as returned, are the result.</summary>
    public static int Merge(Span<int> symbols, MergeTable merges) =>
        symbols.Length <= ShortPiece ? MergeByScanning(symbols, merges) : MergeByHeap(symbols, merges);

    private static int MergeByScanning(Span<int> symbols, MergeTable merges)
    {
        int count = symbols.Length;
        Span<int> ranks = stackalloc int[ShortPiece];
        for (int i = 0; i + 1 < count; i++)
        {
            ranks[i] = merges.Rank(symbols[i], symbols[i + 1]);
        }

        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
            {
                best = ranks[i] < ranks[best] ? i : best;
            }

            if (ranks[best] == MergeTable.None)
            {
                break;
            }

            symbols[best] = merges.Result(symbols[best], symbols[best + 1]);
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 1)..(count - 1)].CopyTo(ranks[best..]);
            count--;
            if (best + 1 < count)
            {
                ranks[best] = merges.Rank(symbols[best], symbols[best + 1]);
            }

            if (best > 0)
            {
                ranks[best - 1] = merges.Rank(symbols[best - 1], symbols[best]);
            }
        }

        return count;
    }

    // O(n log n): a heap of (rank, position). An entry whose pair has changed since is recognised when it comes up, because
    // the pair that stands there now has another rank; where it has the same rank, it is its turn as well. Symbols are a linked list over their first positions; −1 is gone.
    private static int MergeByHeap(Span<int> symbols, MergeTable merges)
    {
        int length = symbols.Length;
        int[] previous = ArrayPool<int>.Shared.Rent(length);
        int[] next = ArrayPool<int>.Shared.Rent(length);
        var heap = new PriorityQueue<int, long>(length);
        for (int i = 0; i < length; i++)
        {
            (previous[i], next[i]) = (i - 1, i + 1);
            Offer(heap, symbols, merges, i, i + 1);
        }

        while (heap.TryDequeue(out int left, out long priority))
        {
            int right = next[left];
            if (symbols[left] < 0 || right >= length || merges.Rank(symbols[left], symbols[right]) != (int)(priority >> 32))
            {
                continue;
            }

            symbols[left] = merges.Result(symbols[left], symbols[right]);
            symbols[right] = -1;
            next[left] = next[right];
            if (next[right] < length)
            {
                previous[next[right]] = left;
            }

            Offer(heap, symbols, merges, left, next[left]);
            if (previous[left] >= 0)
            {
                Offer(heap, symbols, merges, previous[left], left);
            }
        }

        ArrayPool<int>.Shared.Return(previous);
        ArrayPool<int>.Shared.Return(next);
        int count = 0;
        foreach (int symbol in symbols)
        {
            if (symbol >= 0)
            {
                symbols[count++] = symbol;
            }
        }

        return count;
    }

    private static void Offer(PriorityQueue<int, long> heap, Span<int> symbols, MergeTable merges, int left, int right)
    {
        int rank = right < symbols.Length ? merges.Rank(symbols[left], symbols[right]) : MergeTable.None;
        if (rank != MergeTable.None)
        {
            heap.Enqueue(left, ((long)rank << 32) | (uint)left);
        }
    }
}
