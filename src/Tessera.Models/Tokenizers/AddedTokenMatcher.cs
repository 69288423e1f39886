using System.Buffers;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>Finds added tokens in a text: the leftmost first, and of those that start there the longest. Immutable.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Node _root = new();
    private readonly SearchValues<char> _firstCharacters;

    /// <summary>A matcher of tokens by the patterns that stand for them in the text.</summary>
    public AddedTokenMatcher(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        foreach ((string pattern, AddedToken token) in tokens)
        {
            Node node = _root;
            foreach (char c in pattern)
            {
                node = node.Children.TryGetValue(c, out Node? child) ? child : node.Children[c] = new Node();
            }

            if (pattern.Length > 0)
            {
                node.Token ??= token;
            }
        }

        _firstCharacters = SearchValues.Create([.. _root.Children.Keys]);
    }

    /// <summary>What lies in a text: a token with the range it takes, or plain text where <c>Token</c> is null.</summary>
    internal readonly record struct Section(int Start, int End, AddedToken? Token);

    /// <summary>
    /// Adds the sections of a text in order; they cover it. Without <paramref name="parseSpecial"/> special tokens count as plain
    /// text.
    /// </summary>
    public void Find(string text, bool parseSpecial, List<Section> sections)
    {
        int plain = 0, from = 0;
        while (TryNext(text, from, out int start, out int end, out AddedToken token))
        {
            from = end;
            if ((!parseSpecial && token.Special) || (token.SingleWord && !StandsAlone(text, start, end)))
            {
                continue;
            }

            start = Math.Max(plain, token.StripsLeft ? SkipSpaceLeft(text, start) : start);
            end = token.StripsRight ? SkipSpaceRight(text, end) : end;
            if (plain < start)
            {
                sections.Add(new Section(plain, start, null));
            }

            sections.Add(new Section(start, end, token));
            plain = end;
        }

        if (plain < text.Length)
        {
            sections.Add(new Section(plain, text.Length, null));
        }
    }

    /// <summary>The length of the longest pattern that starts at a place, or 0.</summary>
    public int LongestAt(string text, int start) => Longest(text, start, out int end) is null ? 0 : end - start;

    private static bool StandsAlone(string text, int start, int end)
    {
        Rune.DecodeLastFromUtf16(text.AsSpan(0, start), out Rune before, out _);
        Rune.DecodeFromUtf16(text.AsSpan(end), out Rune behind, out _);
        return (start == 0 || !CharacterClasses.IsWord(before)) && (end == text.Length || !CharacterClasses.IsWord(behind));
    }

    private static int SkipSpaceLeft(string text, int start)
    {
        while (start > 0 && char.IsWhiteSpace(text[start - 1]))
        {
            start--;
        }

        return start;
    }

    private static int SkipSpaceRight(string text, int end)
    {
        while (end < text.Length && char.IsWhiteSpace(text[end]))
        {
            end++;
        }

        return end;
    }

    private bool TryNext(string text, int from, out int start, out int end, out AddedToken token)
    {
        for (start = from; start < text.Length; start++)
        {
            int skip = text.AsSpan(start).IndexOfAny(_firstCharacters);
            if (skip < 0)
            {
                break;
            }

            start += skip;
            if (Longest(text, start, out end) is AddedToken found)
            {
                token = found;
                return true;
            }
        }

        end = text.Length;
        token = null!;
        return false;
    }

    private AddedToken? Longest(string text, int start, out int end)
    {
        AddedToken? best = null;
        Node? node = _root;
        end = start;
        for (int i = start; i < text.Length && node.Children.TryGetValue(text[i], out node); i++)
        {
            if (node.Token is not null)
            {
                (best, end) = (node.Token, i + 1);
            }
        }

        return best;
    }

    private sealed class Node
    {
        public Dictionary<char, Node> Children { get; } = [];

        public AddedToken? Token { get; set; }
    }
}
