namespace Tessera.Models.Tokenizers;

/// <summary>
/// Where a text without a pre-tokenizer can be cut before it is merged, without a change of the result. A merge that crosses the
/// place between characters x and y joins a token that ends in x with one that starts with y; where no merge does, what stands on
/// either side is encoded by itself. So a long text becomes short pieces, which are faster and come back.
/// </summary>
/// <remarks>
/// Pairs are kept in a bitmap under a hash: two that share a bit can only make pieces longer. Next to a character that the
/// vocabulary does not know no cut is made, because it may be dropped or joined with its neighbour, unless all bytes have tokens.
/// </remarks>
internal sealed class Junctions
{
    private const int HashBits = 18;
    private readonly ulong[] _pairs = new ulong[(1 << HashBits) / 64];
    private readonly ulong[] _known = new ulong[(1 << 16) / 64];

    private Junctions()
    {
    }

    /// <summary>The junctions of a vocabulary, or null where pieces are never to be cut.</summary>
    /// <param name="ids">Texts and ids.</param>
    /// <param name="merges">Merges.</param>
    /// <param name="options">How the vocabulary is used.</param>
    /// <param name="fallbackIds">The tokens of the bytes, −1 for none.</param>
    public static Junctions? Of(IReadOnlyDictionary<string, int> ids, MergeTable merges, BpeOptions options, int[] fallbackIds)
    {
        // A piece that counts as a whole must not be cut.
        if (options.IgnoreMerges || options.MapsBytes)
        {
            return null;
        }

        var found = new Junctions();
        var texts = new Dictionary<int, string>(ids.Count);
        foreach ((string text, int id) in ids)
        {
            if (text.Length > 0)
            {
                texts[id] = text;
                if (text.Length == 1)
                {
                    found._known[text[0] >> 6] |= 1UL << text[0];
                }
            }
        }

        bool fallsBack = options.ByteFallback && fallbackIds.All(id => id >= 0);
        if (fallsBack)
        {
            Array.Fill(found._known, ulong.MaxValue);
        }

        var standIns = new HashSet<int>(fallbackIds) { options.UnknownId };
        foreach ((int left, int right) in merges.Pairs())
        {
            // What stands for an unknown character would join it with its neighbour whatever that is.
            if (standIns.Contains(left) || standIns.Contains(right) || !texts.TryGetValue(left, out string? first) || !texts.TryGetValue(right, out string? second))
            {
                return null;
            }

            int hash = Hash(first[^1], second[0]);
            found._pairs[hash >> 6] |= 1UL << hash;
        }

        return found;
    }

    /// <summary>The first place behind <paramref name="start"/> where the text may be cut, or its end.</summary>
    public int NextCut(ReadOnlySpan<char> text, int start)
    {
        for (int i = start + 1; i < text.Length; i++)
        {
            if (MayCut(text[i - 1], text[i]))
            {
                return i;
            }
        }

        return text.Length;
    }

    /// <summary>Whether a text may be cut between two neighbours.</summary>
    public bool MayCut(char before, char behind)
    {
        int hash = Hash(before, behind);
        return (_pairs[hash >> 6] >> hash & 1) == 0 && IsKnown(before) && IsKnown(behind)
            && !(char.IsLowSurrogate(behind) && char.IsHighSurrogate(before));
    }

    private static int Hash(char before, char behind) => (int)((((uint)before << 16) | behind) * 0x9E3779B1u >> (32 - HashBits));

    private bool IsKnown(char c) => (_known[c >> 6] >> c & 1) != 0;
}
