using System.Buffers;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Where a text may be cut so that the ids of the parts, one behind the other, are the ids of the whole whatever the rest of the
/// text is. Two kinds of places come into question: before whitespace behind a letter or number, and between a line feed and a
/// letter.
/// </summary>
/// <remarks>
/// Conditions, each checked when the rule is made: the normaliser works on single characters (NFC, too, joins nothing to
/// whitespace); no added token can lie across the place or look across it; every step of the pre-tokenizer finds the same other
/// borders, which holds for patterns that look at what follows only and end at the place; and either some step always has a border
/// there, or no merge of the vocabulary crosses it.
/// </remarks>
internal sealed class CutRule
{
    private static readonly SearchValues<char> Whitespace = SearchValues.Create(" \t\r\n");
    private readonly TokenizerParts _parts;
    private readonly bool _spacesOnly;
    private readonly bool _atWords;
    private readonly bool _atLines;
    private readonly bool _byMerges;

    private CutRule(TokenizerParts parts)
    {
        _parts = parts;
        IReadOnlyList<PreTokenizerStep> steps = parts.PreTokenizer;
        _spacesOnly = steps.Any(step => step.AddsPrefix);
        _byMerges = !steps.Any(step => step.EndsWords);
        _atWords = steps.All(step => step.AllowsCuts(atLines: false));
        _atLines = !_spacesOnly && steps.All(step => step.AllowsCuts(atLines: true)) && (_byMerges || steps.Any(step => step.EndsLines));
    }

    /// <summary>The rule for a tokenizer, or null where none can be given.</summary>
    public static CutRule? Of(TokenizerParts parts)
    {
        if (parts.Normalizer is { IsLocal: false })
        {
            return null;
        }

        foreach (AddedToken token in parts.AddedTokens)
        {
            // A text starts anew behind a token, so no cut may fall there.
            string form = token.NormalizedForm ?? token.Content;
            string normalized = token.Normalized && token.NormalizedForm is null ? parts.Normalizer?.Apply(form) ?? form : form;
            if (token.SingleWord || token.StripsRight || IsWord(form[^1]) || form[^1] == '\n' || ReachesAcross(parts, form) || ReachesAcross(parts, normalized))
            {
                return null;
            }
        }

        var rule = new CutRule(parts);
        return (rule._atWords || rule._atLines) && (!rule._byMerges || parts.Model.CanCut) ? rule : null;
    }

    /// <summary>The last place in <c>text[from..]</c> where the text may be cut, or −1.</summary>
    public int Last(ReadOnlySpan<char> text, int from)
    {
        for (int i = text.Length - 1; i >= Math.Max(from, 1); i--)
        {
            if (Allows(text[i - 1], text[i]))
            {
                return i;
            }
        }

        return -1;
    }

    private static bool IsWord(char c) => char.IsLetter(c) || char.IsNumber(c);

    // Whether a token's pattern holds such a place, as it stands or with spaces rewritten.
    private static bool ReachesAcross(TokenizerParts parts, string pattern)
    {
        string space = parts.Normalizer?.Continue(" ") ?? " ";
        for (int i = 1; i < pattern.Length; i++)
        {
            if (Whitespace.Contains(pattern[i]) || space.Contains(pattern[i]) || pattern[i - 1] == '\n')
            {
                return true;
            }
        }

        return false;
    }

    private bool Allows(char before, char behind)
    {
        bool word = _atWords && IsWord(before) && (_spacesOnly ? behind == ' ' : Whitespace.Contains(behind));
        bool line = _atLines && before == '\n' && char.IsLetter(behind);
        return (word || line) && (!_byMerges || NoMergeCrosses(before, behind));
    }

    private bool NoMergeCrosses(char before, char behind)
    {
        string first = before.ToString(), second = behind.ToString();
        if (_parts.Normalizer is { } normalizer)
        {
            // Nothing below U+0300 is joined to what stands before it.
            if (normalizer.Composes && before >= '\u0300')
            {
                return false;
            }

            first = normalizer.Continue(first);
            second = normalizer.Continue(second);
        }

        return first.Length > 0 && second.Length > 0 && _parts.Model.MayCut(first[^1], second[0]);
    }
}
