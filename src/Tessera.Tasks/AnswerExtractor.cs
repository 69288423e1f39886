namespace Tessera.Tasks;

/// <summary>Finds the final answer in what a model wrote.</summary>
public static class AnswerExtractor
{
    /// <summary>The mark in front of a final answer.</summary>
    public const string Marker = "####";

    /// <summary>The rest of the line after the last <see cref="Marker"/>, trimmed; null if there is no mark or nothing behind it.</summary>
    public static string? Extract(string completion)
    {
        int mark = completion.LastIndexOf(Marker, StringComparison.Ordinal);
        if (mark < 0)
        {
            return null;
        }

        ReadOnlySpan<char> rest = completion.AsSpan(mark + Marker.Length);
        int end = rest.IndexOfAny('\r', '\n');
        rest = (end < 0 ? rest : rest[..end]).Trim();
        return rest.IsEmpty ? null : rest.ToString();
    }
}
