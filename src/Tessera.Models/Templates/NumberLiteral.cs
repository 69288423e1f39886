namespace Tessera.Models.Templates;

/// <summary>A number in a template's source, as Python writes them.</summary>
/// <param name="Digits">Its text without underscores.</param>
/// <param name="IsFloat">Whether it has a fraction or an exponent.</param>
/// <param name="End">The position behind it.</param>
internal readonly record struct NumberLiteral(string Digits, bool IsFloat, int End)
{
    /// <summary>Reads the number whose first digit is at <paramref name="start"/>.</summary>
    /// <param name="source">The template.</param>
    /// <param name="start">Position of a decimal digit.</param>
    /// <param name="canBeFloat">False behind a point: <c>rows.0.1</c> is two indices.</param>
    public static NumberLiteral Read(string source, int start, bool canBeFloat)
    {
        if (source[start] == '0' && start + 1 < source.Length && "bBoOxX".Contains(source[start + 1], StringComparison.Ordinal))
        {
            char prefix = char.ToLowerInvariant(source[start + 1]);
            int end = Skip(source, start + 2, c => prefix switch
            {
                'x' => char.IsAsciiHexDigit(c),
                'o' => c is >= '0' and <= '7',
                _ => c is '0' or '1',
            });
            if (end > start + 2)
            {
                return Create(source, start, end, isFloat: false);
            }
        }

        int whole = Skip(source, start, char.IsAsciiDigit);
        if (!canBeFloat)
        {
            return Create(source, start, whole, isFloat: false);
        }

        int at = whole;
        if (at + 1 < source.Length && source[at] == '.' && char.IsAsciiDigit(source[at + 1]))
        {
            at = Skip(source, at + 1, char.IsAsciiDigit);
        }

        if (at < source.Length && (source[at] is 'e' or 'E'))
        {
            int sign = at + 1 < source.Length && source[at + 1] is '+' or '-' ? 1 : 0;
            int exponent = Skip(source, at + 1 + sign, char.IsAsciiDigit);
            at = exponent > at + 1 + sign ? exponent : at;
        }

        return Create(source, start, at, isFloat: at > whole);
    }

    private static NumberLiteral Create(string source, int start, int end, bool isFloat) =>
        new(source[start..end].Replace("_", string.Empty, StringComparison.Ordinal), isFloat, end);

    /// <summary>The position behind a run of digits with single underscores between them.</summary>
    private static int Skip(string source, int start, Func<char, bool> isDigit)
    {
        int at = start;
        while (at < source.Length
            && (isDigit(source[at]) || (source[at] == '_' && at > start && at + 1 < source.Length && isDigit(source[at + 1]) && source[at - 1] != '_')))
        {
            at++;
        }

        return at;
    }
}
