using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>The bytes of single tokens, which need not be whole characters.</summary>
public static class TokenBytes
{
    private const char Replacement = '\uFFFD';

    /// <summary>The bytes that a token adds to a text; none for an unknown id.</summary>
    /// <remarks>
    /// A token whose text is whole gives its UTF-8. One that is part of a character is a byte token (<c>&lt;0xE2&gt;</c>) or is
    /// written in the byte alphabet of byte-level vocabularies.
    /// </remarks>
    public static byte[] Of(Tokenizer tokenizer, int id)
    {
        string text = tokenizer.Decode([id], skipSpecialTokens: false);
        string written = tokenizer.TokenText(id) ?? string.Empty;
        if (!text.Contains(Replacement, StringComparison.Ordinal) || written.Contains(Replacement, StringComparison.Ordinal))
        {
            return Encoding.UTF8.GetBytes(text);
        }

        if (written.Length == 6 && written.StartsWith("<0x", StringComparison.Ordinal) && written[5] == '>'
            && byte.TryParse(written.AsSpan(3, 2), System.Globalization.NumberStyles.HexNumber, null, out byte value))
        {
            return [value];
        }

        return written.All(character => ByteAlphabet.ToByte(character) >= 0)
            ? [.. written.Select(character => (byte)ByteAlphabet.ToByte(character))]
            : Encoding.UTF8.GetBytes(text);
    }
}
