namespace Tessera.Models.Tokenizers;

/// <summary>
/// The pattern of Llama 3 and of Qwen 2 and 3, which differ in how many digits make one piece:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
internal sealed class LlamaSplitter(int longestNumber) : PieceSplitter
{
    /// <inheritdoc />
    public override bool EndsWords => true;

    /// <inheritdoc />
    public override bool EndsLines => true;

    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start)
    {
        int end = ContractionEnd(text, start, ignoreCase: true);
        if (end > start)
        {
            return end;
        }

        CharacterClass first = CharacterClasses.At(text, start, out int units);
        if (first == CharacterClass.Letter)
        {
            return CharacterClasses.RunEnd(text, start, CharacterClass.Letter);
        }

        if (first == CharacterClass.Number)
        {
            return NumberSplitter.Take(text, start, longestNumber);
        }

        CharacterClass? next = CharacterClasses.TryAt(text, start + units);
        if (next == CharacterClass.Letter && text[start] is not ('\r' or '\n'))
        {
            return CharacterClasses.RunEnd(text, start + units, CharacterClass.Letter);
        }

        if (first != CharacterClass.Space)
        {
            return LineBreaksEnd(text, SymbolsEnd(text, start));
        }

        return text[start] == ' ' && IsSymbol(next)
            ? LineBreaksEnd(text, SymbolsEnd(text, start + 1))
            : WhitespaceEnd(text, start, newlines: true);
    }

    /// <summary>The end of a run of <c>[^\s\p{L}\p{N}]</c>.</summary>
    internal static int SymbolsEnd(ReadOnlySpan<char> text, int index)
    {
        while (index < text.Length && IsSymbol(CharacterClasses.At(text, index, out int units)))
        {
            index += units;
        }

        return index;
    }

    /// <summary>Whether the class is in <c>[^\s\p{L}\p{N}]</c>.</summary>
    internal static bool IsSymbol(CharacterClass? kind) =>
        kind is not (null or CharacterClass.Space or CharacterClass.Letter or CharacterClass.Number);
}
