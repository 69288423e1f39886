namespace Tessera.Kernels;

/// <summary>
/// One sequence of a step: the step's rows [QueryStart, QueryStart + QueryCount) are the last QueryCount of KeyCount
/// positions. Where its keys and values lie is told in rows, so that one array of segments serves every layer of a step: each
/// layer has a first row, and a stride, of its own.
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

    /// <summary>
    /// Row of position 0 where positions lie one behind the other: in a step that keeps nothing, keys and values are columns of the
    /// projection, and this is <see cref="QueryStart"/>. With <see cref="Pages"/> it is not read.
    /// </summary>
    public long KeyStart;

    /// <summary>
    /// Number of the page that holds positions [64·i, 64·i + 64), for every i up to the last key, in the device's memory; null
    /// where positions lie one behind the other.
    /// </summary>
    public int* Pages;

    /// <summary>The row that holds a position's keys and values; with pages, a multiple of 64 stands for a whole page.</summary>
    internal readonly long RowOf(int position) => Pages == null
        ? KeyStart + position
        : ((long)Pages[position / PagePositions] * PagePositions) + (position % PagePositions);
}
