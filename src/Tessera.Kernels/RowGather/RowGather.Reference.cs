namespace Tessera.Kernels;

public static unsafe partial class RowGather
{
    /// <summary>The formula of <see cref="Forward"/> in double, for a dense source.</summary>
    public static void ReferenceForward(ReadOnlySpan<double> source, ReadOnlySpan<int> rows, Span<double> target, int width)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            source.Slice(rows[i] * width, width).CopyTo(target[(i * width)..]);
        }
    }
}
