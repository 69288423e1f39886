namespace Tessera.Kernels;

/// <summary>
/// One sequence of a step: the step's rows [QueryStart, QueryStart + QueryCount) are the last QueryCount of KeyCount
/// positions. A packed training document has KeyCount = QueryCount and points into the projection buffer; a decoding
/// sequence has QueryCount = 1 and points into its cache.
/// </summary>
public unsafe struct AttentionSegment
{
    /// <summary>
    /// Positions of one page. A tile of the kernels never crosses a page, so where a page lies changes no bit of a result.
    /// </summary>
    public const int PagePositions = 64;

    /// <summary>First row of the step that belongs to this sequence.</summary>
    public int QueryStart;

    /// <summary>Rows of the step that belong to this sequence.</summary>
    public int QueryCount;

    /// <summary>Positions of the sequence up to and including its last row here.</summary>
    public int KeyCount;

    /// <summary>Address of the keys [K, E] of position 0; with <see cref="Pages"/>, of position 0 of page 0.</summary>
    public nint Keys;

    /// <summary>Address of the values [K, E] of position 0; with <see cref="Pages"/>, of position 0 of page 0.</summary>
    public nint Values;

    /// <summary>
    /// Number of the page that holds positions [64·i, 64·i + 64), for every i up to the last key; null where positions lie one
    /// behind the other.
    /// </summary>
    public int* Pages;

    /// <summary>Rows from <see cref="Keys"/> to a position's keys; a multiple of 64 stands for a whole page.</summary>
    internal readonly long RowOf(int position) =>
        Pages == null ? position : ((long)Pages[position / PagePositions] * PagePositions) + (position % PagePositions);
}
