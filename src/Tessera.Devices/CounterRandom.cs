namespace Tessera.Devices;

/// <summary>
/// Philox4x32-10 (Salmon et al. 2011): random numbers as a pure function of (seed, stream, counter), so that draws do not
/// depend on threads, order or batching, and a resumed run draws what it would have drawn.
/// </summary>
public struct CounterRandom(ulong seed, ulong stream = 0)
{
    private readonly ulong _seed = seed;
    private readonly ulong _stream = stream;
    private UInt128 _buffer;
    private int _left;

    /// <summary>How many 128-bit blocks were drawn; set it to jump.</summary>
    public ulong Counter { get; set; }

    /// <summary>The four words of block <paramref name="counter"/> of a stream.</summary>
    public static (uint A, uint B, uint C, uint D) Block(ulong seed, ulong stream, ulong counter)
    {
        uint c0 = (uint)counter, c1 = (uint)(counter >> 32), c2 = (uint)stream, c3 = (uint)(stream >> 32);
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53UL * c0;
            ulong p1 = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>32 uniform bits.</summary>
    public uint NextUInt32()
    {
        if (_left == 0)
        {
            var (a, b, c, d) = Block(_seed, _stream, Counter++);
            _buffer = new UInt128(((ulong)d << 32) | c, ((ulong)b << 32) | a);
            _left = 4;
        }

        uint word = (uint)_buffer;
        _buffer >>= 32;
        _left--;
        return word;
    }

    /// <summary>Uniform in [0, bound) without bias (Lemire 2019).</summary>
    public int Next(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        uint range = (uint)bound;
        ulong product = (ulong)NextUInt32() * range;
        if ((uint)product < range)
        {
            uint threshold = (0u - range) % range;
            while ((uint)product < threshold)
            {
                product = (ulong)NextUInt32() * range;
            }
        }

        return (int)(product >> 32);
    }

    /// <summary>Uniform in [minimum, maximum], both included.</summary>
    public int Next(int minimum, int maximum) => minimum + Next(checked(maximum - minimum + 1));

    /// <summary>Uniform in (0, 1): 24 bits, never 0 or 1.</summary>
    public float NextSingle() => ((NextUInt32() >> 8) + 0.5f) * (1f / 16_777_216f);

    /// <summary>Standard normal by Box-Muller.</summary>
    public float NextGaussian()
    {
        double radius = Math.Sqrt(-2.0 * Math.Log(NextSingle()));
        return (float)(radius * Math.Cos(2.0 * Math.PI * NextSingle()));
    }
}
