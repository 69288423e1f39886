namespace Tessera.Tasks;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014) whose starting state is a function of a seed and an index, so that problem i of
/// a seed is made without making those before it.
/// </summary>
public struct TaskRandom(ulong seed, ulong index = 0)
{
    private const ulong Golden = 0x9E3779B97F4A7C15UL;

    // The seed is mixed before the index is added; otherwise (seed, index + 1) would continue (seed, index) by one draw.
    private ulong _state = Mix(Mix(seed + Golden) ^ Mix((index * 0xD1B54A32D192ED03UL) + 1));

    /// <summary>64 uniform bits.</summary>
    public ulong NextUInt64()
    {
        _state += Golden;
        return Mix(_state);
    }

    /// <summary>Uniform in [0, <paramref name="bound"/>), free of bias (multiply and reject, Lemire 2019).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The bound is below 1.</exception>
    public int Next(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        ulong range = (ulong)bound;
        ulong threshold = (0UL - range) % range;
        while (true)
        {
            ulong high = Math.BigMul(NextUInt64(), range, out ulong low);
            if (low >= threshold)
            {
                return (int)high;
            }
        }
    }

    /// <summary>Uniform in [<paramref name="minimum"/>, <paramref name="maximum"/>], both included.</summary>
    public int Next(int minimum, int maximum) => minimum + Next(checked(maximum - minimum + 1));

    /// <summary>Uniform in [0, 1) with 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>The finaliser of SplitMix64, a bijection of 64 bits.</summary>
    internal static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9UL;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EBUL;
        return value ^ (value >> 31);
    }
}
