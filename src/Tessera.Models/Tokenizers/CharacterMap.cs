using System.Buffers.Binary;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// A table of UTF-8 strings and what replaces them, as SentencePiece compiles it: a trie as a double array of 32-bit units (Aoe
/// 1989, "An efficient digital search algorithm by using a double-array structure"), whose values are offsets of strings that end
/// with a zero byte.
/// </summary>
/// <remarks>
/// A unit holds a label in its bits 0–7 and 31, a flag in bit 8 that a value belongs to it, and from bit 10 the distance to its
/// children, in steps of 256 where bit 9 is set. A child lies at (parent + distance) XOR byte; the value at (parent + distance),
/// with + meaning XOR as well.
/// </remarks>
internal sealed class CharacterMap
{
    // The longest string that is replaced; those of the published maps have at most 18 bytes.
    private const int LongestKey = 64;
    private readonly uint[] _units;
    private readonly ReadOnlyMemory<byte> _strings;
    private readonly string _file;

    /// <summary>Reads the header of a map; <paramref name="file"/> is the name for messages.</summary>
    public CharacterMap(string file, ReadOnlyMemory<byte> bytes)
    {
        _file = file;
        uint length = bytes.Length < 4 || bytes.Length > SentencePieceOptions.CharacterMapLimit ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span);
        if (length > bytes.Length - 4 || length % 4 != 0 || length == 0)
        {
            throw new InvalidDataException(
                $"{file}: normalizer_spec.precompiled_charsmap has {bytes.Length} bytes, which do not hold a trie and its strings.");
        }

        _units = new uint[length / 4];
        for (int i = 0; i < _units.Length; i++)
        {
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[(4 + (4 * i))..]);
        }

        _strings = bytes[(4 + (int)length)..];
    }

    /// <summary>Whether some replaced string starts at a place; the longest counts.</summary>
    /// <param name="text">The text, without lone surrogates.</param>
    /// <param name="start">The place.</param>
    /// <param name="units">How much of the text is replaced.</param>
    /// <param name="replacement">By what.</param>
    public bool TryReplace(string text, int start, out int units, out string replacement)
    {
        (units, replacement) = (0, "");
        Span<byte> encoded = stackalloc byte[4];
        int value = -1;
        uint node = Distance(_units[0]);
        for (int i = start, taken = 0; i < text.Length && taken < LongestKey;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(i), out Rune rune, out int step);
            int count = rune.EncodeToUtf8(encoded);
            i += step;
            taken += count;
            bool hasValue = false;
            for (int b = 0; b < count; b++)
            {
                node ^= encoded[b];
                if (node >= (uint)_units.Length || (_units[node] & 0x800000FF) != encoded[b])
                {
                    return value >= 0 && Finish(value, out replacement);
                }

                hasValue = (_units[node] & 0x100) != 0;
                node ^= Distance(_units[node]);
            }

            if (hasValue && node < (uint)_units.Length)
            {
                value = (int)(_units[node] & 0x7FFFFFFF);
                units = i - start;
            }
        }

        return value >= 0 && Finish(value, out replacement);
    }

    private static uint Distance(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private bool Finish(int offset, out string replacement)
    {
        ReadOnlySpan<byte> rest = offset <= _strings.Length ? _strings.Span[offset..] : default;
        int end = rest.IndexOf((byte)0);
        if (end < 0)
        {
            throw new InvalidDataException($"{_file}: normalizer_spec.precompiled_charsmap points at a string that is not there.");
        }

        replacement = Encoding.UTF8.GetString(rest[..end]);
        return true;
    }
}
