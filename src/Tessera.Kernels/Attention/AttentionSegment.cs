namespace Tessera.Kernels;

/// <summary>
/// One sequence of a step: the step's rows [QueryStart, QueryStart + QueryCount) are the last QueryCount of KeyCount
/// positions. A packed training document has KeyCount = QueryCount and points into the projection buffer; a decoding
/// sequence has QueryCount = 1 and points into its cache.
/// </summary>
public struct AttentionSegment
{
    /// <summary>First row of the step that belongs to this sequence.</summary>
    public int QueryStart;

    /// <summary>Rows of the step that belong to this sequence.</summary>
    public int QueryCount;

    /// <summary>Positions of the sequence up to and including its last row here.</summary>
    public int KeyCount;

    /// <summary>Address of the keys [K, E] of position 0.</summary>
    public nint Keys;

    /// <summary>Address of the values [K, E] of position 0.</summary>
    public nint Values;
}
