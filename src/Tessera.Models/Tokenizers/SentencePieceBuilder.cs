using System.Globalization;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Makes a tokenizer's parts of pieces with scores. Encoding starts from characters; of all neighbours whose texts together are
/// a piece, those of the highest score merge first, the leftmost first among equals (Sennrich et al. 2016, arXiv:1508.07909;
/// Kudo and Richardson 2018, arXiv:1808.06226).
/// </summary>
/// <remarks>
/// A piece can be reached from any two pieces that spell it, not from one pair alone, so every cut of every piece is
/// entered into the table of merges.
/// </remarks>
internal static class SentencePieceBuilder
{
    private const int PieceLimit = 4096;
    private const long CutWorkLimit = 1L << 28;

    /// <summary>Checks the pieces and builds the parts; <paramref name="file"/> is the name for messages.</summary>
    public static TokenizerParts Build(string file, IReadOnlyList<SentencePiece> pieces, SentencePieceOptions options)
    {
        var ids = new Dictionary<string, int>(pieces.Count);
        var added = new List<AddedToken>();
        int unknown = -1, bytes = 0;
        for (int id = 0; id < pieces.Count; id++)
        {
            SentencePiece piece = pieces[id];
            Check(file, options, id, piece);
            if (!ids.TryAdd(piece.Text, id))
            {
                throw Error(file, options, id, $"repeats the piece '{FileField.Shorten(piece.Text)}'");
            }

            switch (piece.Type)
            {
                case SentencePieceType.Unknown:
                    unknown = unknown < 0 ? id : throw Error(file, options, id, $"is a second unknown piece beside {unknown}");
                    added.Add(new AddedToken(piece.Text, id) { Special = true });
                    break;
                case SentencePieceType.Control:
                    added.Add(new AddedToken(piece.Text, id) { Special = true });
                    break;
                case SentencePieceType.UserDefined:
                    added.Add(new AddedToken(piece.Text, id) { Normalized = true, NormalizedForm = piece.Text });
                    break;
                case SentencePieceType.Byte:
                    bytes++;
                    break;
            }
        }

        if (options.ByteFallback && bytes != 256)
        {
            throw new InvalidDataException($"{file}: {options.PiecesField} has {bytes} pieces of bytes, but falling back to bytes needs all 256.");
        }

        if (!options.ByteFallback && unknown < 0)
        {
            throw new InvalidDataException($"{file}: {options.PiecesField} has no unknown piece, which a vocabulary without bytes needs.");
        }

        MergeTable merges = Merges(file, options, pieces, ids);
        foreach (AddedToken token in added.Where(token => token.Special))
        {
            ids.Remove(token.Content);
        }

        var model = new BpeModel(ids, merges, new BpeOptions { ByteFallback = options.ByteFallback, FuseUnknown = true, UnknownId = unknown });
        string? surface = unknown < 0 ? null : options.UnknownSurface;
        return new TokenizerParts(
            model,
            new SentencePieceNormalizer(file, options, [.. added.Where(token => token.Normalized).Select(token => token.Content)]),
            [],
            next => new SentencePieceStage(next, options),
            added,
            Checked(file, options.Prefix, pieces.Count),
            Checked(file, options.Suffix, pieces.Count))
        {
            ParsesSpecial = false,
            UnknownSurface = surface is null ? null : (unknown, surface),
        };
    }

    private static void Check(string file, SentencePieceOptions options, int id, SentencePiece piece)
    {
        if (piece.Text.Length is 0 or > PieceLimit || WellFormedText.From(piece.Text) != piece.Text)
        {
            throw Error(file, options, id, $"is not a text of 1 to {PieceLimit} units of valid Unicode");
        }

        if (!float.IsFinite(piece.Score))
        {
            throw Error(file, options, id, "has a score that is not a finite number");
        }

        if (piece.Type is < SentencePieceType.Normal or > SentencePieceType.Byte)
        {
            throw Error(file, options, id, $"has the type {(int)piece.Type}, but only 1 to 6 are known");
        }

        if (piece.Type == SentencePieceType.Byte && !IsByte(piece.Text))
        {
            throw Error(file, options, id, $"'{FileField.Shorten(piece.Text)}' is of the type of bytes, but is not written <0xHH>");
        }
    }

    private static bool IsByte(string text) => text.Length == 6
        && byte.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) && text == $"<0x{value:X2}>";

    private static MergeTable Merges(
        string file, SentencePieceOptions options, IReadOnlyList<SentencePiece> pieces, Dictionary<string, int> ids)
    {
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var ranks = Ranks(pieces);
        var found = new List<(int Left, int Right, int Result)>();
        long work = 0;
        for (int id = 0; id < pieces.Count; id++)
        {
            (string text, _, SentencePieceType type) = pieces[id];
            if (type is not (SentencePieceType.Normal or SentencePieceType.Unused))
            {
                continue;
            }

            work += (long)text.Length * text.Length;
            if (work > CutWorkLimit)
            {
                throw Error(file, options, id, "and the pieces before it are too long together to be cut in all places");
            }

            for (int cut = 1; cut < text.Length; cut++)
            {
                if (char.IsLowSurrogate(text[cut]))
                {
                    continue;
                }

                bool left = Symbol(text.AsSpan(0, cut), pieces, lookup, out int first);
                bool right = Symbol(text.AsSpan(cut), pieces, lookup, out int second);
                if (!left || !right)
                {
                    continue;
                }

                if (first < 0 || second < 0)
                {
                    throw Error(file, options, id, $"'{FileField.Shorten(text)}' has a character that is no piece of its own, which is not supported");
                }

                if (type == SentencePieceType.Unused)
                {
                    throw Error(file, options, id, $"'{FileField.Shorten(text)}' is unused but can be merged from others, which is not supported");
                }

                found.Add((first, second, id));
            }
        }

        var table = new MergeTable(found.Count);
        foreach ((int left, int right, int result) in found)
        {
            table.Add(left, right, ranks[pieces[result].Score], result);
        }

        return table;
    }

    // Equal scores share a rank, so that the leftmost of them merges first.
    private static Dictionary<float, int> Ranks(IReadOnlyList<SentencePiece> pieces)
    {
        float[] scores = [.. pieces.Select(piece => piece.Score).Distinct()];
        Array.Sort(scores, (a, b) => b.CompareTo(a));
        var ranks = new Dictionary<float, int>(scores.Length);
        for (int i = 0; i < scores.Length; i++)
        {
            ranks.Add(scores[i], i);
        }

        return ranks;
    }

    // Whether encoding can come across the text as a symbol: a piece that takes part in merging, or any one character. The id is
    // −1 for a character that is no such piece.
    private static bool Symbol(
        ReadOnlySpan<char> text, IReadOnlyList<SentencePiece> pieces, Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup, out int id)
    {
        if (lookup.TryGetValue(text, out id))
        {
            switch (pieces[id].Type)
            {
                case SentencePieceType.Normal or SentencePieceType.Unused:
                    return true;
                case SentencePieceType.UserDefined:
                    return false;
            }
        }

        id = -1;
        return Rune.DecodeFromUtf16(text, out _, out int units) == System.Buffers.OperationStatus.Done && units == text.Length;
    }

    private static int[] Checked(string file, IReadOnlyList<int> ids, int count)
    {
        foreach (int id in ids)
        {
            if (id < 0 || id >= count)
            {
                throw new InvalidDataException($"{file}: a token to be added to texts has the id {id}, but there are {count} pieces.");
            }
        }

        return [.. ids];
    }

    private static InvalidDataException Error(string file, SentencePieceOptions options, int id, string problem) =>
        new($"{file}: {options.PiecesField}[{id}] {problem}.");
}
