using System.Buffers;

namespace Tessera.Models.Tokenizers;

/// <summary>GPT-2's pattern: <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.</summary>
internal sealed class Gpt2Splitter : PieceSplitter
{
    /// <inheritdoc />
    public override bool EndsWords => true;

    // A run of line feeds at the end is one piece, but leaves its last one to itself where something follows.
    /// <inheritdoc />
    public override bool AllowsCuts(bool atLines) => !atLines;

    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start)
    {
        int end = ContractionEnd(text, start, ignoreCase: false);
        if (end > start)
        {
            return end;
        }

        bool space = text[start] == ' ' && start + 1 < text.Length;
        int word = space ? start + 1 : start;
        return CharacterClasses.At(text, word, out _) switch
        {
            CharacterClass.Letter => CharacterClasses.RunEnd(text, word, CharacterClass.Letter),
            CharacterClass.Number => CharacterClasses.RunEnd(text, word, CharacterClass.Number),
            CharacterClass.Space => WhitespaceEnd(text, start, newlines: false),
            _ => LlamaSplitter.SymbolsEnd(text, word),
        };
    }
}

/// <summary>Numbers in groups of at most n digits, from the left: <c>\p{N}{1,n}</c>.</summary>
internal sealed class NumberSplitter(int longest) : PieceSplitter
{
    /// <summary>The end of at most <paramref name="longest"/> digits.</summary>
    public static int Take(ReadOnlySpan<char> text, int start, int longest)
    {
        int index = start;
        for (int taken = 0; taken < longest && index < text.Length; taken++)
        {
            if (CharacterClasses.At(text, index, out int units) != CharacterClass.Number)
            {
                break;
            }

            index += units;
        }

        return index;
    }

    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start) => Take(text, start, longest);
}

/// <summary>Runs of Chinese characters and kana: <c>[一-龥぀-ゟ゠-ヿ]+</c>.</summary>
internal sealed class HanKanaSplitter : PieceSplitter
{
    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start)
    {
        int index = start;
        while (index < text.Length && text[index] is (>= '\u4E00' and <= '\u9FA5') or (>= '\u3040' and <= '\u30FF'))
        {
            index++;
        }

        return index;
    }
}

/// <summary>
/// DeepSeek-V3's word pattern: an ASCII punctuation mark with ASCII letters behind it, or
/// <c>[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>. Control characters and digits
/// may match nothing and are left between the matches.
/// </summary>
internal sealed class DeepSeekSplitter : PieceSplitter
{
    /// <inheritdoc />
    public override bool EndsWords => true;

    /// <inheritdoc />
    public override bool EndsLines => true;

    private static readonly SearchValues<char> AsciiLetters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start)
    {
        char c = text[start];
        CharacterClass first = CharacterClasses.At(text, start, out int units);
        bool symbol = IsSymbol(first);
        if (c < 128 && symbol)
        {
            int letters = text[(start + 1)..].IndexOfAnyExcept(AsciiLetters);
            letters = letters < 0 ? text.Length - start - 1 : letters;
            if (letters > 0)
            {
                return start + 1 + letters;
            }
        }

        int next = start + units;
        bool leads = !symbol && c is not ('\r' or '\n');
        if (IsWord(first) || (leads && next < text.Length && IsWord(CharacterClasses.At(text, next, out _))))
        {
            return RunEnd(text, next, IsWord);
        }

        if (symbol || (c == ' ' && next < text.Length && IsSymbol(CharacterClasses.At(text, next, out _))))
        {
            return LineBreaksEnd(text, RunEnd(text, next, IsSymbol));
        }

        return first == CharacterClass.Space ? WhitespaceEnd(text, start, newlines: true) : start;
    }

    private static bool IsWord(CharacterClass kind) => kind is CharacterClass.Letter or CharacterClass.Mark;

    private static bool IsSymbol(CharacterClass kind) => kind is CharacterClass.Punctuation or CharacterClass.Symbol;

    private static int RunEnd(ReadOnlySpan<char> text, int index, Func<CharacterClass, bool> belongs)
    {
        while (index < text.Length && belongs(CharacterClasses.At(text, index, out int units)))
        {
            index += units;
        }

        return index;
    }
}

/// <summary>Every occurrence of a literal string is a piece of its own.</summary>
internal sealed class LiteralSplitter(string pattern) : PieceSplitter
{
    /// <inheritdoc />
    public override bool AllowsCuts(bool atLines) => pattern.Length == 1;

    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start) =>
        text[start..].StartsWith(pattern, StringComparison.Ordinal) ? start + pattern.Length : start;
}

/// <summary>Cuts at every occurrence of a literal string, which stays with what follows it or with what it follows.</summary>
internal sealed class LiteralBoundarySplitter(string pattern, bool cutBefore) : PieceSplitter
{
    /// <inheritdoc />
    public override bool AllowsCuts(bool atLines) => pattern.Length == 1;

    /// <inheritdoc />
    public override void Split(ReadOnlySpan<char> text, int offset, List<int> ends)
    {
        int from = 0;
        while (true)
        {
            int found = text[from..].IndexOf(pattern, StringComparison.Ordinal);
            if (found < 0)
            {
                ends.Add(offset + text.Length);
                return;
            }

            int cut = from + found + (cutBefore ? 0 : pattern.Length);
            if (cut > 0 && cut < text.Length)
            {
                ends.Add(offset + cut);
            }

            from += found + pattern.Length;
        }
    }

    /// <inheritdoc />
    protected override int Match(ReadOnlySpan<char> text, int start) => start;
}
