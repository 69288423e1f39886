using System.Globalization;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>Python's view of strings: code points instead of UTF-16 units, and its own classes of characters.</summary>
internal static class PythonText
{
    /// <summary><c>str.isspace</c>: as .NET, and also U+001C to U+001F.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary>What <c>str.splitlines</c> ends a line at.</summary>
    public static bool IsLineBreak(char c) =>
        c is '\n' or '\r' or '\v' or '\f' or '\u001C' or '\u001D' or '\u001E' or '\u0085' or '\u2028' or '\u2029';

    /// <summary>The number of code points; a lone surrogate counts as one.</summary>
    public static int Length(string text)
    {
        int pairs = 0;
        for (int at = 0; (at = NextPair(text, at)) >= 0; at += 2)
        {
            pairs++;
        }

        return text.Length - pairs;
    }

    /// <summary>Whether units and code points coincide.</summary>
    public static bool IsBasic(string text) => NextPair(text, 0) < 0;

    /// <summary>The code points as strings.</summary>
    public static List<string> Characters(string text)
    {
        var characters = new List<string>(text.Length);
        for (int at = 0; at < text.Length;)
        {
            int length = char.IsSurrogatePair(text, at) ? 2 : 1;
            characters.Add(text.Substring(at, length));
            at += length;
        }

        return characters;
    }

    public static string Strip(string text, string? characters, bool left, bool right)
    {
        int start = 0;
        int end = text.Length;
        while (left && start < end && Strips(text, start, end, characters, out int length))
        {
            start += length;
        }

        while (right && end > start)
        {
            int at = end >= start + 2 && char.IsSurrogatePair(text, end - 2) ? end - 2 : end - 1;
            if (!Strips(text, at, end, characters, out _))
            {
                break;
            }

            end = at;
        }

        return start == 0 && end == text.Length ? text : text[start..end];
    }

    /// <summary><c>str.splitlines()</c>: no empty line behind the last break.</summary>
    public static List<string> Lines(string text, bool keepEnds = false)
    {
        var lines = new List<string>();
        int start = 0;
        while (start < text.Length)
        {
            int at = start;
            while (at < text.Length && !IsLineBreak(text[at]))
            {
                at++;
            }

            int next = at;
            if (at < text.Length)
            {
                next += text[at] == '\r' && at + 1 < text.Length && text[at + 1] == '\n' ? 2 : 1;
            }

            lines.Add(text[start..(keepEnds ? next : at)]);
            start = next;
        }

        return lines;
    }

    /// <summary><c>str.capitalize()</c>.</summary>
    public static string Capitalize(string text)
    {
        string lower = text.ToLowerInvariant();
        int length = lower.Length > 1 && char.IsSurrogatePair(lower, 0) ? 2 : Math.Min(1, lower.Length);
        return text[..length].ToUpperInvariant() + lower[length..];
    }

    /// <summary><c>str.title()</c>: a letter behind no letter becomes upper case, others lower case.</summary>
    public static string Title(string text)
    {
        var title = new StringBuilder(text.Length);
        bool insideWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            title.Append(insideWord ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune));
            insideWord = Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter;
        }

        return title.ToString();
    }

    /// <summary>Whether the string is not empty and all its code points are of a class.</summary>
    public static bool All(string text, Func<Rune, bool> isOf) => text.Length > 0 && text.EnumerateRunes().All(isOf);

    private static int NextPair(string text, int from)
    {
        for (int at = from; at + 1 < text.Length; at++)
        {
            int offset = text.AsSpan(at).IndexOfAnyInRange('\uD800', '\uDBFF');
            if (offset < 0)
            {
                return -1;
            }

            at += offset;
            if (at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
            {
                return at;
            }
        }

        return -1;
    }

    private static bool Strips(string text, int at, int end, string? characters, out int length)
    {
        length = at + 1 < end && char.IsSurrogatePair(text, at) ? 2 : 1;
        return characters is null
            ? IsSpace(text[at])
            : characters.AsSpan().IndexOf(text.AsSpan(at, length), StringComparison.Ordinal) >= 0;
    }
}
