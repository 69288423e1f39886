using Tessera.Devices;

namespace Tessera.Training.Data;

/// <summary>
/// Visits the items of a set pass after pass, each pass in a new order: a Fisher-Yates shuffle drawn from (seed, pass), so that a
/// position is one number.
/// </summary>
/// <param name="count">Items, at least one.</param>
/// <param name="seed">Seed of the orders.</param>
public sealed class SeededOrder(int count, ulong seed)
{
    private long _pass = -1;
    private int[] _order = [];

    /// <summary>Items of one pass.</summary>
    public int Count => count;

    /// <summary>The item at a position.</summary>
    public int At(long position)
    {
        long pass = position / count;
        if (pass != _pass)
        {
            _pass = pass;
            _order = Shuffled((ulong)pass);
        }

        return _order[(int)(position % count)];
    }

    private int[] Shuffled(ulong pass)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        var random = new CounterRandom(seed, pass);
        for (int i = count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}
