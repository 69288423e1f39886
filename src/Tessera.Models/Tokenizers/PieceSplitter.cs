namespace Tessera.Models.Tokenizers;

/// <summary>
/// Cuts a text into pieces that cover it: the matches of a pattern, and what lies between them. Immutable.
/// </summary>
internal abstract class PieceSplitter
{
    /// <inheritdoc cref="PreTokenizerStep.EndsWords" />
    public virtual bool EndsWords => false;

    /// <inheritdoc cref="PreTokenizerStep.EndsLines" />
    public virtual bool EndsLines => false;

    /// <inheritdoc cref="PreTokenizerStep.AllowsCuts" />
    public virtual bool AllowsCuts(bool atLines) => true;

    /// <summary>Adds the end of every piece of <paramref name="text"/>, shifted by <paramref name="offset"/>.</summary>
    public virtual void Split(ReadOnlySpan<char> text, int offset, List<int> ends)
    {
        int i = 0, gap = 0;
        while (i < text.Length)
        {
            int end = Match(text, i);
            if (end <= i)
            {
                CharacterClasses.At(text, i, out int units);
                i += units;
                continue;
            }

            if (gap < i)
            {
                ends.Add(offset + i);
            }

            ends.Add(offset + end);
            i = gap = end;
        }

        if (gap < text.Length)
        {
            ends.Add(offset + text.Length);
        }
    }

    /// <summary>
    /// Where the match that starts exactly at <paramref name="start"/> ends; <paramref name="start"/> itself if none does.
    /// </summary>
    protected abstract int Match(ReadOnlySpan<char> text, int start);

    /// <summary>
    /// The match of <c>\s+(?!\S)|\s+</c>, or with newlines of <c>\s*[\r\n]+|\s+(?!\S)|\s+</c>, at a whitespace character: up to
    /// the run's last line break if it has one and they count; else all of it at the text's end; else all but its last
    /// character, which the next word takes along.
    /// </summary>
    protected static int WhitespaceEnd(ReadOnlySpan<char> text, int start, bool newlines)
    {
        int end = CharacterClasses.RunEnd(text, start, CharacterClass.Space);
        if (newlines)
        {
            int lineBreak = text[start..end].LastIndexOfAny('\r', '\n');
            if (lineBreak >= 0)
            {
                return start + lineBreak + 1;
            }
        }

        return end == text.Length || end == start + 1 ? end : end - 1;
    }

    /// <summary>The end of a run of line breaks, <c>[\r\n]*</c>.</summary>
    protected static int LineBreaksEnd(ReadOnlySpan<char> text, int start)
    {
        int length = text[start..].IndexOfAnyExcept('\r', '\n');
        return length < 0 ? text.Length : start + length;
    }

    /// <summary>
    /// The match of <c>'s|'t|'re|'ve|'m|'ll|'d</c> at <paramref name="start"/>, or <paramref name="start"/>. Without case the long
    /// s, U+017F, is an s as well.
    /// </summary>
    protected static int ContractionEnd(ReadOnlySpan<char> text, int start, bool ignoreCase)
    {
        if (text[start] != '\'' || start + 1 >= text.Length)
        {
            return start;
        }

        char first = Fold(text[start + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
        {
            return start + 2;
        }

        char second = start + 2 < text.Length ? Fold(text[start + 2], ignoreCase) : '\0';
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? start + 3 : start;
    }

    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c == '\u017F' ? 's' : char.ToLowerInvariant(c);
}
