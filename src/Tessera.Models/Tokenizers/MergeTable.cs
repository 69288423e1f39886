namespace Tessera.Models.Tokenizers;

/// <summary>
/// Which two neighbours may become one: (left id, right id) → rank and id of the result. Lower ranks merge first; several pairs may
/// share a rank.
/// </summary>
internal sealed class MergeTable
{
    /// <summary>The rank of a pair that never merges.</summary>
    public const int None = int.MaxValue;

    // Open addressing over a power of two at most two thirds full. The multiplier is random and odd, so that nobody can write a
    // file whose pairs all fall into one place.
    private readonly ulong _multiplier = (ulong)Random.Shared.NextInt64() | 1;
    private const int MostExpected = 1 << 20;
    private Entry[] _entries;
    private int _shift;
    private int _count;

    /// <summary>An empty table for about <paramref name="expected"/> merges; it grows where there are more.</summary>
    public MergeTable(int expected)
    {
        int bits = Math.Max(4, 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)Math.Min(expected, MostExpected) * 3 / 2));
        _entries = new Entry[1 << bits];
        _shift = 64 - bits;
    }

    /// <summary>Adds a merge; a pair that is there already takes the new rank, as the reference library does.</summary>
    public void Add(int left, int right, int rank, int result)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        if (_entries[slot].Key == 0)
        {
            _count++;
            if (3L * _count > 2L * _entries.Length)
            {
                Grow();
                slot = Slot(key);
            }
        }

        _entries[slot] = new Entry { Key = key, Rank = rank, Result = result };
    }

    /// <summary>The rank of a pair, or <see cref="None"/>.</summary>
    public int Rank(int left, int right)
    {
        ref Entry entry = ref _entries[Slot(Key(left, right))];
        return entry.Key == 0 ? None : entry.Rank;
    }

    /// <summary>The id that a pair with a rank becomes.</summary>
    public int Result(int left, int right) => _entries[Slot(Key(left, right))].Result;

    /// <summary>All pairs, in no order.</summary>
    public IEnumerable<(int Left, int Right)> Pairs()
    {
        foreach (Entry entry in _entries)
        {
            if (entry.Key != 0)
            {
                yield return ((int)((entry.Key - 1) >> 32), (int)(uint)(entry.Key - 1));
            }
        }
    }

    // Zero marks an empty slot.
    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;

    private void Grow()
    {
        Entry[] old = _entries;
        _entries = new Entry[2 * old.Length];
        _shift--;
        foreach (Entry entry in old)
        {
            if (entry.Key != 0)
            {
                _entries[Slot(entry.Key)] = entry;
            }
        }
    }

    private int Slot(ulong key)
    {
        int slot = (int)((key * _multiplier) >> _shift);
        while (_entries[slot].Key != 0 && _entries[slot].Key != key)
        {
            slot = (slot + 1) & (_entries.Length - 1);
        }

        return slot;
    }

    private struct Entry
    {
        public ulong Key;
        public int Rank;
        public int Result;
    }
}
