using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// A byte-pair vocabulary: turns a piece of text into ids. Immutable but for a cache; safe for any number of threads.
/// </summary>
internal sealed class BpeModel
{
    private const int StackLimit = 256;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly MergeTable _merges;
    private readonly BpeOptions _options;
    private readonly int[] _lowIds = new int[ByteAlphabet.CodeLimit];
    private readonly int[] _fallbackIds = new int[256];
    private readonly Junctions? _junctions;
    private readonly PieceCache _cache = new();

    /// <summary>A model of a vocabulary and its merges.</summary>
    public BpeModel(Dictionary<string, int> ids, MergeTable merges, BpeOptions options)
    {
        (_ids, _merges, _options) = (ids, merges, options);
        _lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int code = 0; code < _lowIds.Length; code++)
        {
            _lowIds[code] = ids.GetValueOrDefault(((char)code).ToString(), -1);
        }

        for (int value = 0; value < 256; value++)
        {
            _fallbackIds[value] = options.ByteFallback ? ids.GetValueOrDefault($"<0x{value:X2}>", -1) : -1;
        }

        _junctions = Junctions.Of(ids, merges, options, _fallbackIds);
    }

    /// <summary>Every token's text and id.</summary>
    public Dictionary<string, int> Vocabulary => _ids;

    /// <summary>Whether some pieces may be cut.</summary>
    public bool CanCut => _junctions is not null;

    /// <summary>Whether merging never crosses the place between two characters, so that a piece may be cut there.</summary>
    public bool MayCut(char before, char behind) => _junctions?.MayCut(before, behind) ?? false;

    /// <summary>Appends the ids of one piece.</summary>
    public void Encode(ReadOnlySpan<char> piece, List<int> output)
    {
        if (_junctions is null)
        {
            EncodeWhole(piece, output);
            return;
        }

        for (int start = 0; start < piece.Length;)
        {
            int end = _junctions.NextCut(piece, start);
            EncodeWhole(piece[start..end], output);
            start = end;
        }
    }

    private void EncodeWhole(ReadOnlySpan<char> piece, List<int> output)
    {
        if (_cache.TryGet(piece, out ReadOnlySpan<int> known))
        {
            output.AddRange(known);
            return;
        }

        int start = output.Count;
        if (_options.MapsBytes)
        {
            EncodeBytes(piece, output);
        }
        else
        {
            EncodeCharacters(piece, output);
        }

        _cache.Store(piece, CollectionsMarshal.AsSpan(output)[start..]);
    }

    private void EncodeBytes(ReadOnlySpan<char> piece, List<int> output)
    {
        int length = Encoding.UTF8.GetByteCount(piece);
        byte[]? rentedBytes = null;
        char[]? rentedCharacters = null;
        Span<byte> bytes = length <= StackLimit ? stackalloc byte[StackLimit] : (rentedBytes = ArrayPool<byte>.Shared.Rent(length));
        Span<char> mapped = length <= StackLimit ? stackalloc char[StackLimit] : (rentedCharacters = ArrayPool<char>.Shared.Rent(length));
        Encoding.UTF8.GetBytes(piece, bytes);
        ByteAlphabet.Write(bytes[..length], mapped);
        EncodeCharacters(mapped[..length], output);
        if (rentedBytes is not null)
        {
            ArrayPool<byte>.Shared.Return(rentedBytes);
            ArrayPool<char>.Shared.Return(rentedCharacters!);
        }
    }

    private void EncodeCharacters(ReadOnlySpan<char> text, List<int> output)
    {
        if (_options.IgnoreMerges && _lookup.TryGetValue(text, out int whole))
        {
            output.Add(whole);
            return;
        }

        // A character is at most two units, or four ids by way of its bytes; one unit at most three.
        int most = checked(text.Length * (_options.ByteFallback ? 3 : 1));
        int[]? rented = null;
        Span<int> symbols = most <= StackLimit ? stackalloc int[StackLimit] : (rented = ArrayPool<int>.Shared.Rent(most));
        int count = FirstSymbols(text, symbols);
        count = BpeMerger.Merge(symbols[..count], _merges);
        output.AddRange(symbols[..count]);
        if (rented is not null)
        {
            ArrayPool<int>.Shared.Return(rented);
        }
    }

    // One id a character; unknown ones by their bytes, else as the unknown token, else dropped.
    private int FirstSymbols(ReadOnlySpan<char> text, Span<int> symbols)
    {
        int count = 0;
        bool pendingUnknown = false;
        for (int i = 0; i < text.Length;)
        {
            int units = char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1;
            ReadOnlySpan<char> character = text.Slice(i, units);
            i += units;
            int id = character[0] < _lowIds.Length ? _lowIds[character[0]] : _lookup.TryGetValue(character, out int found) ? found : -1;
            if (id >= 0)
            {
                if (pendingUnknown)
                {
                    symbols[count++] = _options.UnknownId;
                    pendingUnknown = false;
                }

                symbols[count++] = id;
            }
            else if (_options.ByteFallback && TryFallBack(character, symbols[count..], out int added))
            {
                // An unknown character before stays pending and comes behind these bytes: the reference library's order.
                count += added;
            }
            else if (_options.UnknownId >= 0)
            {
                if (pendingUnknown && !_options.FuseUnknown)
                {
                    symbols[count++] = _options.UnknownId;
                }

                pendingUnknown = true;
            }
        }

        if (pendingUnknown)
        {
            symbols[count++] = _options.UnknownId;
        }

        return count;
    }

    private bool TryFallBack(ReadOnlySpan<char> character, Span<int> symbols, out int added)
    {
        Span<byte> bytes = stackalloc byte[4];
        added = Encoding.UTF8.GetBytes(character, bytes);
        for (int i = 0; i < added; i++)
        {
            int id = _fallbackIds[bytes[i]];
            if (id < 0)
            {
                return false;
            }

            symbols[i] = id;
        }

        return true;
    }
}
