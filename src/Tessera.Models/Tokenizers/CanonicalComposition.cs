using System.Globalization;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Unicode Normalization Form C with tables of our own: in globalization-invariant mode <see cref="string.Normalize()"/> leaves
/// everything beyond ASCII as it is.
/// </summary>
/// <remarks>
/// UAX #15: decompose canonically, order marks by combining class, put pairs together again unless blocked.
/// Characters that are newer than <see cref="CanonicalCompositionTable.UnicodeVersion"/> stay as they are.
/// </remarks>
internal static class CanonicalComposition
{
    private const int SyllableBase = 0xAC00;
    private const int LeadBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TailBase = 0x11A7;
    private const int LeadCount = 19;
    private const int VowelCount = 21;
    private const int TailCount = 28;
    private const int SyllableCount = LeadCount * VowelCount * TailCount;

    private static readonly Dictionary<int, (int First, int Second)> Decompositions = [];
    private static readonly Dictionary<(int First, int Second), int> Compositions = [];
    private static readonly Dictionary<int, byte> Classes = [];

    static CanonicalComposition()
    {
        char[] whitespace = [' ', '\n'];
        foreach (string entry in CanonicalCompositionTable.Decompositions.Split(whitespace, StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = entry.TrimEnd('!').Split('=', '+');
            int code = Hexadecimal(parts[0]), first = Hexadecimal(parts[1]), second = parts.Length == 3 ? Hexadecimal(parts[2]) : 0;
            Decompositions.Add(code, (first, second));
            if (second != 0 && !entry.EndsWith('!'))
            {
                Compositions.Add((first, second), code);
            }
        }

        foreach (string entry in CanonicalCompositionTable.CombiningClasses.Split(whitespace, StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = entry.Split(':');
            string[] range = parts[0].Split('-');
            for (int code = Hexadecimal(range[0]); code <= Hexadecimal(range[^1]); code++)
            {
                Classes.Add(code, byte.Parse(parts[1], CultureInfo.InvariantCulture));
            }
        }
    }

    /// <summary>The text in Form C. <paramref name="text"/> holds no lone surrogates.</summary>
    public static string Compose(string text)
    {
        // Everything below U+0300 is in Form C whatever stands beside it.
        if (text.AsSpan().IndexOfAnyExceptInRange('\0', '\u02FF') < 0)
        {
            return text;
        }

        var codes = new List<int>(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, codes);
        }

        Order(codes);
        int count = Recompose(codes);
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < count; i++)
        {
            result.Append(char.ConvertFromUtf32(codes[i]));
        }

        return result.ToString();
    }

    private static int Hexadecimal(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static void Decompose(int code, List<int> output)
    {
        int syllable = code - SyllableBase;
        if ((uint)syllable < SyllableCount)
        {
            output.Add(LeadBase + (syllable / (VowelCount * TailCount)));
            output.Add(VowelBase + (syllable % (VowelCount * TailCount) / TailCount));
            if (syllable % TailCount != 0)
            {
                output.Add(TailBase + (syllable % TailCount));
            }
        }
        else if (code >= 0xC0 && Decompositions.TryGetValue(code, out var parts))
        {
            Decompose(parts.First, output);
            if (parts.Second != 0)
            {
                Decompose(parts.Second, output);
            }
        }
        else
        {
            output.Add(code);
        }
    }

    private static int ClassOf(int code) => code < 0x300 ? 0 : Classes.GetValueOrDefault(code);

    // A stable sort of every run of marks: thousands of marks on one letter must not take quadratic time.
    private static void Order(List<int> codes)
    {
        for (int i = 0; i < codes.Count; i++)
        {
            if (ClassOf(codes[i]) == 0)
            {
                continue;
            }

            int start = i;
            while (i < codes.Count && ClassOf(codes[i]) != 0)
            {
                i++;
            }

            if (i - start > 1)
            {
                int[] sorted = [.. codes.GetRange(start, i - start).OrderBy(ClassOf)];
                for (int j = 0; j < sorted.Length; j++)
                {
                    codes[start + j] = sorted[j];
                }
            }
        }
    }

    // Composes in place and returns the new count. A character is blocked from its starter by an uncomposed one of the
    // same or a higher class between them.
    private static int Recompose(List<int> codes)
    {
        int count = 0, starter = -1, previousClass = -1;
        for (int i = 0; i < codes.Count; i++)
        {
            int code = codes[i], current = ClassOf(code);
            bool reachable = starter >= 0 && (previousClass < current || (previousClass == -1 && current == 0));
            if (reachable && Pair(codes[starter], code) is int composed)
            {
                codes[starter] = composed;
                continue;
            }

            if (current == 0)
            {
                starter = count;
                previousClass = -1;
            }
            else
            {
                previousClass = current;
            }

            codes[count++] = code;
        }

        return count;
    }

    private static int? Pair(int first, int second)
    {
        int lead = first - LeadBase, vowel = second - VowelBase;
        if ((uint)lead < LeadCount && (uint)vowel < VowelCount)
        {
            return SyllableBase + (((lead * VowelCount) + vowel) * TailCount);
        }

        int syllable = first - SyllableBase, tail = second - TailBase;
        if ((uint)syllable < SyllableCount && syllable % TailCount == 0 && tail > 0 && tail < TailCount)
        {
            return first + tail;
        }

        return Compositions.TryGetValue((first, second), out int composed) ? composed : null;
    }
}
