namespace Tessera.Kernels;

/// <summary>
/// What is known on the host about segments that lie in a device's memory: how far work on them can reach. The kernels read the
/// segments themselves; a launch takes its size from here.
/// </summary>
/// <param name="Segments">Number of segments.</param>
/// <param name="Tokens">Rows of the step: no segment has one at or behind this.</param>
/// <param name="LongestQueries">Most rows of one segment, at least.</param>
/// <param name="LongestKeys">Most positions of one segment, at least.</param>
public readonly record struct AttentionBounds(int Segments, int Tokens, int LongestQueries, int LongestKeys)
{
    /// <summary>
    /// Whether a row's bits must not depend on how its sequence is cut into steps. A card sums a single query's keys in parts, and
    /// those of several queries in tiles; with this it sums in tiles alone, which is slower. The processor always does.
    /// </summary>
    public bool IsInvariant { get; init; }

    /// <summary>The bounds of segments that the host can see.</summary>
    public static AttentionBounds Of(ReadOnlySpan<AttentionSegment> segments)
    {
        int tokens = 0, queries = 0, keys = 0;
        foreach (ref readonly var segment in segments)
        {
            tokens = Math.Max(tokens, segment.QueryStart + segment.QueryCount);
            queries = Math.Max(queries, segment.QueryCount);
            keys = Math.Max(keys, segment.KeyCount);
        }

        return new AttentionBounds(segments.Length, tokens, queries, keys);
    }
}
