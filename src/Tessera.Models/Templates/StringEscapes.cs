using System.Globalization;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>The escapes of Python's string literals.</summary>
internal static class StringEscapes
{
    /// <summary>The text of a literal's inside, or null where an escape is broken; unknown escapes stay as they are.</summary>
    public static string? Decode(ReadOnlySpan<char> literal)
    {
        if (!literal.Contains('\\'))
        {
            return literal.ToString();
        }

        var text = new StringBuilder(literal.Length);
        for (int at = 0; at < literal.Length; at++)
        {
            if (literal[at] != '\\')
            {
                text.Append(literal[at]);
                continue;
            }

            int used = DecodeOne(literal[(at + 1)..], text);
            if (used < 0)
            {
                return null;
            }

            at += used;
        }

        return text.ToString();
    }

    /// <summary>Appends what follows a backslash and returns how many characters it took; -1 where it is broken.</summary>
    private static int DecodeOne(ReadOnlySpan<char> rest, StringBuilder text)
    {
        const string Letters = "abfnrtv\\'\"";
        const string Characters = "\a\b\f\n\r\t\v\\'\"";
        if (rest.IsEmpty)
        {
            return -1;
        }

        int known = Letters.IndexOf(rest[0], StringComparison.Ordinal);
        if (known >= 0)
        {
            text.Append(Characters[known]);
            return 1;
        }

        switch (rest[0])
        {
            case '\n':
                return 1;
            case 'x':
                return Hexadecimal(rest, 2, text);
            case 'u':
                return Hexadecimal(rest, 4, text);
            case 'U':
                return Hexadecimal(rest, 8, text);
            case 'N':
                return -1;
            case >= '0' and <= '7':
                int length = 1;
                int value = rest[0] - '0';
                while (length < 3 && length < rest.Length && rest[length] is >= '0' and <= '7')
                {
                    value = (value * 8) + rest[length++] - '0';
                }

                text.Append((char)value);
                return length;
            default:
                text.Append('\\').Append(rest[0]);
                return 1;
        }
    }

    private static int Hexadecimal(ReadOnlySpan<char> rest, int digits, StringBuilder text)
    {
        if (rest.Length <= digits
            || rest.Slice(1, digits).ContainsAnyExcept("0123456789abcdefABCDEF")
            || !uint.TryParse(rest.Slice(1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
            || code > 0x10FFFF)
        {
            return -1;
        }

        if (code <= 0xFFFF)
        {
            text.Append((char)code);
        }
        else
        {
            text.Append(char.ConvertFromUtf32((int)code));
        }

        return 1 + digits;
    }
}
