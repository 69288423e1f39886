namespace Tessera.Models.Tokenizers;

/// <summary>
/// Which two neighbours may become one: (left id, right id) → rank, and rank → id of the result. Lower ranks merge first.
/// </summary>
internal sealed class MergeTable
{
    /// <summary>The rank of a pair that never merges.</summary>
    public const int None = int.MaxValue;

    // Open addressing over a power of two at most half full. The multiplier is random and odd, so that nobody can write a
    // file whose pairs all fall into one place.
    private readonly ulong _multiplier = (ulong)Random.Shared.NextInt64() | 1;
    private readonly ulong[] _keys;
    private readonly int[] _ranks;
    private readonly int[] _results;
    private readonly int _shift;
    private int _count;

    /// <summary>An empty table with room for <paramref name="capacity"/> merges.</summary>
    public MergeTable(int capacity)
    {
        int bits = Math.Max(4, 64 - System.Numerics.BitOperations.LeadingZeroCount(2UL * (ulong)capacity));
        _keys = new ulong[1 << bits];
        _ranks = new int[1 << bits];
        _results = new int[capacity];
        _shift = 64 - bits;
    }

    /// <summary>Adds a merge with the next rank; a pair that is there already takes the new rank, as the reference library does.</summary>
    public void Add(int left, int right, int result)
    {
        int slot = Slot(Key(left, right));
        _keys[slot] = Key(left, right);
        _ranks[slot] = _count;
        _results[_count++] = result;
    }

    /// <summary>The rank of a pair, or <see cref="None"/>.</summary>
    public int Rank(int left, int right)
    {
        int slot = Slot(Key(left, right));
        return _keys[slot] == 0 ? None : _ranks[slot];
    }

    /// <summary>The id that the merge of a rank produces.</summary>
    public int Result(int rank) => _results[rank];

    // Zero marks an empty slot.
    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;

    private int Slot(ulong key)
    {
        int slot = (int)((key * _multiplier) >> _shift);
        while (_keys[slot] != 0 && _keys[slot] != key)
        {
            slot = (slot + 1) & (_keys.Length - 1);
        }

        return slot;
    }
}
