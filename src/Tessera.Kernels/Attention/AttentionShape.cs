namespace Tessera.Kernels;

/// <summary>The widths of one attention layer: H query heads share K key and value heads of E elements.</summary>
/// <param name="Heads">Query heads H, a multiple of <paramref name="KvHeads"/>.</param>
/// <param name="KvHeads">Key and value heads K; query head h reads head h / (H / K).</param>
/// <param name="HeadDim">Elements E of one head, even.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadDim)
{
    /// <summary>The factor on every score: 1 / sqrt(E).</summary>
    public float Scale => (float)(1.0 / Math.Sqrt(HeadDim));

    /// <summary>Query heads that share one key and value head: H / K.</summary>
    public int GroupSize => Heads / KvHeads;

    /// <summary>Elements of one row of the packed projection: H query, K key and K value heads.</summary>
    public int PackedWidth => (Heads + (2 * KvHeads)) * HeadDim;

    /// <summary>Throws unless the three numbers fit together.</summary>
    /// <exception cref="ArgumentException">A width is below one, the head dimension is odd or H is no multiple of K.</exception>
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
    }
}
