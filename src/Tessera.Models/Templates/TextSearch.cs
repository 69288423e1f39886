namespace Tessera.Models.Templates;

/// <summary>
/// Finds strings in strings in time linear in both. The platform's search is fast for short patterns, but takes the product of both
/// lengths for long ones made for that purpose.
/// </summary>
internal static class TextSearch
{
    private const int ShortPattern = 32;

    /// <summary>The places where a pattern occurs, from left to right, none overlapping another.</summary>
    public static IEnumerable<int> All(string text, string pattern, RenderState state)
    {
        if (pattern.Length == 0)
        {
            for (int at = 0; at <= text.Length; at++)
            {
                // Between code points, never inside of one.
                if (at == 0 || at == text.Length || !char.IsSurrogatePair(text, at - 1))
                {
                    yield return at;
                }
            }

            yield break;
        }

        int[]? table = pattern.Length > ShortPattern ? Borders(pattern) : null;
        state.Scan((long)text.Length + pattern.Length);
        for (int from = 0; ;)
        {
            int at = table is null ? text.IndexOf(pattern, from, StringComparison.Ordinal) : Find(text, pattern, table, from);
            if (at < 0)
            {
                yield break;
            }

            state.Step();
            yield return at;
            from = at + pattern.Length;
        }
    }

    /// <summary>The first place of a pattern, or -1.</summary>
    public static int First(string text, string pattern, RenderState state)
    {
        foreach (int at in All(text, pattern, state))
        {
            return at;
        }

        return -1;
    }

    /// <summary>The last place of a pattern, or -1.</summary>
    public static int Last(string text, string pattern, RenderState state)
    {
        int at = First(Reverse(text, state), Reverse(pattern, state), state);
        return at < 0 ? -1 : text.Length - at - pattern.Length;
    }

    /// <summary>The places of a pattern counted from the right, none overlapping another.</summary>
    public static IEnumerable<int> AllFromRight(string text, string pattern, RenderState state) =>
        All(Reverse(text, state), Reverse(pattern, state), state).Select(at => text.Length - at - pattern.Length);

    /// <summary>A text with every occurrence, or the first few, replaced.</summary>
    public static string Replace(string text, string old, string with, long most, RenderState state)
    {
        // Counted first, so that nothing is built that goes beyond a limit.
        long count = 0;
        if (most != 0)
        {
            foreach (int _ in All(text, old, state))
            {
                count++;
                if (count == most)
                {
                    break;
                }
            }
        }

        if (count == 0)
        {
            return text;
        }

        long length = text.Length + (count * (with.Length - old.Length));
        state.BuildText(length);
        var result = new System.Text.StringBuilder((int)length);
        int done = 0;
        foreach (int at in All(text, old, state))
        {
            if (count-- == 0)
            {
                break;
            }

            result.Append(text, done, at - done).Append(with);
            done = at + old.Length;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }

    private static string Reverse(string text, RenderState state)
    {
        state.BuildText(text.Length);
        return string.Create(text.Length, text, (span, source) =>
        {
            source.CopyTo(span);
            span.Reverse();
        });
    }

    /// <summary>Knuth, Morris and Pratt: for every prefix the length of its longest border.</summary>
    private static int[] Borders(string pattern)
    {
        int[] table = new int[pattern.Length];
        for (int at = 1, border = 0; at < pattern.Length; at++)
        {
            while (border > 0 && pattern[at] != pattern[border])
            {
                border = table[border - 1];
            }

            border += pattern[at] == pattern[border] ? 1 : 0;
            table[at] = border;
        }

        return table;
    }

    private static int Find(string text, string pattern, int[] table, int from)
    {
        for (int at = from, matched = 0; at < text.Length; at++)
        {
            while (matched > 0 && text[at] != pattern[matched])
            {
                matched = table[matched - 1];
            }

            matched += text[at] == pattern[matched] ? 1 : 0;
            if (matched == pattern.Length)
            {
                return at - matched + 1;
            }
        }

        return -1;
    }
}
