using System.Numerics;
using Tessera.Devices;

namespace Tessera.Training.Data;

/// <summary>
/// A seeded permutation of 0 … count − 1 that is computed place by place and never stored: a balanced Feistel network over the next even
/// number of bits, walked along its cycle until it is back inside (Black and Rogaway 2002). For sets too large to be shuffled in memory.
/// </summary>
public readonly struct CounterPermutation
{
    private const int Rounds = 8;

    private readonly ulong _keys0, _keys1, _keys2, _keys3;
    private readonly int _half;

    /// <summary>The permutation of a seed and a stream.</summary>
    /// <param name="count">Numbers that are permuted, at least one.</param>
    /// <param name="seed">Seed.</param>
    /// <param name="stream">Stream, such as the number of the pass.</param>
    public CounterPermutation(long count, ulong seed, ulong stream)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)(count - 1));
        _half = Math.Max(1, (bits + 1) / 2);
        var (a, b, c, d) = CounterRandom.Block(seed, stream, 0);
        var (e, f, g, h) = CounterRandom.Block(seed, stream, 1);
        (_keys0, _keys1, _keys2, _keys3) = (Pair(a, b), Pair(c, d), Pair(e, f), Pair(g, h));
    }

    /// <summary>Numbers that are permuted.</summary>
    public long Count { get; }

    /// <summary>The number at a place.</summary>
    public long At(long place)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)place, (ulong)Count);

        // The network's domain has fewer than four times as many numbers, so the walk is short on average and always ends.
        ulong number = (ulong)place;
        do
        {
            number = Exchange(number);
        }
        while (number >= (ulong)Count);
        return (long)number;
    }

    private static ulong Pair(uint low, uint high) => ((ulong)high << 32) | low;

    private ulong Exchange(ulong number)
    {
        ulong mask = (1UL << _half) - 1;
        ulong left = number >> _half, right = number & mask;
        for (int round = 0; round < Rounds; round++)
        {
            ulong pair = (round >> 1) switch { 0 => _keys0, 1 => _keys1, 2 => _keys2, _ => _keys3 };
            ulong key = (round & 1) == 0 ? (uint)pair : pair >> 32;
            (left, right) = (right, left ^ (Mix(right, key, round) & mask));
        }

        return (left << _half) | right;
    }

    /// <summary>Finaliser of MurmurHash3 (Appleby) over a half with the round's key.</summary>
    private static ulong Mix(ulong half, ulong key, int round)
    {
        ulong mixed = half + (key << 32) + key + ((ulong)(round + 1) * 0x9E3779B97F4A7C15);
        mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD;
        mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53;
        return mixed ^ (mixed >> 33);
    }
}
