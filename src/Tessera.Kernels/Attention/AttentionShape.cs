namespace Tessera.Kernels;

/// <summary>The widths of one attention layer: H query heads share K key and value heads of E elements.</summary>
/// <param name="Heads">Query heads H, a multiple of <paramref name="KvHeads"/>.</param>
/// <param name="KvHeads">Key and value heads K; query head h reads head h / (H / K).</param>
/// <param name="HeadDim">Elements E of one head, even.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadDim)
{
    /// <summary>
    /// Sliding window W: the query at position p sees the keys at p − W + 1 … p. 0 stands for no window: all keys up to p.
    /// </summary>
    public int Window { get; init; }

    /// <summary>The factor on every score: 1 / sqrt(E).</summary>
    public float Scale => (float)(1.0 / Math.Sqrt(HeadDim));

    /// <summary>Query heads that share one key and value head: H / K.</summary>
    public int GroupSize => Heads / KvHeads;

    /// <summary>Elements of one row of the packed projection: H query, K key and K value heads.</summary>
    public int PackedWidth => (Heads + (2 * KvHeads)) * HeadDim;

    /// <summary>The first key that the query at a position sees.</summary>
    public int FirstVisible(int position) => Window == 0 ? 0 : Math.Max(0, position - Window + 1);

    /// <summary>Throws unless the numbers fit together.</summary>
    /// <exception cref="ArgumentException">
    /// A width is below one, the head dimension is odd, H is no multiple of K, or the window is negative.
    /// </exception>
    public void Validate()
    {
        if (Heads < 1 || KvHeads < 1 || Heads % KvHeads != 0)
        {
            throw new ArgumentException($"attention shape: {Heads} query heads cannot share {KvHeads} key-value heads");
        }

        if (HeadDim < 2 || HeadDim % 2 != 0)
        {
            throw new ArgumentException($"attention shape: head dimension {HeadDim} is not an even number of at least 2");
        }

        if (Window < 0)
        {
            throw new ArgumentException($"attention shape: a window of {Window} positions is negative");
        }
    }
}
