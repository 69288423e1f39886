using System.Globalization;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>What the published splitting patterns ask about a character.</summary>
internal enum CharacterClass : byte
{
    /// <summary>Anything else: controls, formats, unassigned.</summary>
    Other,

    /// <summary><c>\p{L}</c></summary>
    Letter,

    /// <summary><c>\p{M}</c></summary>
    Mark,

    /// <summary><c>\p{N}</c></summary>
    Number,

    /// <summary><c>\p{P}</c></summary>
    Punctuation,

    /// <summary><c>\p{S}</c></summary>
    Symbol,

    /// <summary><c>\s</c></summary>
    Space,
}

/// <summary>
/// Classes of whole Unicode characters. <see cref="System.Text.RegularExpressions"/> looks at UTF-16 units and takes the
/// halves of a letter or digit beyond the basic plane for something else, so it cannot run these patterns.
/// </summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] Ascii = [.. Enumerable.Range(0, 128).Select(code => Classify(new Rune(code)))];

    /// <summary>The class of the character at <paramref name="index"/>, and how many UTF-16 units it takes.</summary>
    public static CharacterClass At(ReadOnlySpan<char> text, int index, out int units)
    {
        char c = text[index];
        units = 1;
        if (c < 128)
        {
            return Ascii[c];
        }

        if (char.IsHighSurrogate(c) && index + 1 < text.Length)
        {
            units = 2;
            return Classify(new Rune(c, text[index + 1]));
        }

        return Rune.TryCreate(c, out Rune rune) ? Classify(rune) : CharacterClass.Other;
    }

    /// <summary>The class at an index, or nothing behind the end.</summary>
    public static CharacterClass? TryAt(ReadOnlySpan<char> text, int index) => index < text.Length ? At(text, index, out _) : null;

    /// <summary>The end of the run of one class that starts at <paramref name="index"/>.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int index, CharacterClass wanted)
    {
        while (index < text.Length && At(text, index, out int units) == wanted)
        {
            index += units;
        }

        return index;
    }

    /// <summary>
    /// Whether the character counts as part of a word, <c>\w</c>: alphabetic, marks, decimal digits, connectors, joiners.
    /// </summary>
    public static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        <= UnicodeCategory.EnclosingMark or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation => true,
        UnicodeCategory.DecimalDigitNumber => true,
        UnicodeCategory.Format => rune.Value is 0x200C or 0x200D,
        UnicodeCategory.OtherSymbol => rune.Value is (>= 0x24B6 and <= 0x24E9)
            or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
        _ => false,
    };

    private static CharacterClass Classify(Rune rune)
    {
        if (Rune.IsWhiteSpace(rune))
        {
            return CharacterClass.Space;
        }

        UnicodeCategory category = Rune.GetUnicodeCategory(rune);
        return category switch
        {
            <= UnicodeCategory.OtherLetter => CharacterClass.Letter,
            <= UnicodeCategory.EnclosingMark => CharacterClass.Mark,
            <= UnicodeCategory.OtherNumber => CharacterClass.Number,
            >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation => CharacterClass.Punctuation,
            >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol => CharacterClass.Symbol,
            _ => CharacterClass.Other,
        };
    }
}
