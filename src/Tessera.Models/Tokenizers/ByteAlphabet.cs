namespace Tessera.Models.Tokenizers;

/// <summary>
/// The table by which byte-level vocabularies write bytes as printable characters: 0x21–0x7E, 0xA1–0xAC and 0xAE–0xFF stand
/// for themselves, the other 68 bytes are U+0100 onward in ascending order.
/// </summary>
internal static class ByteAlphabet
{
    /// <summary>One more than the highest code of the alphabet.</summary>
    public const int CodeLimit = 0x144;

    private static readonly char[] Characters = new char[256];
    private static readonly short[] Bytes = new short[CodeLimit];

    static ByteAlphabet()
    {
        Array.Fill(Bytes, (short)-1);
        int moved = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool stays = value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            Characters[value] = (char)(stays ? value : moved++);
            Bytes[Characters[value]] = (short)value;
        }
    }

    /// <summary>The character that stands for a byte.</summary>
    public static char ToCharacter(byte value) => Characters[value];

    /// <summary>The byte that a character stands for, or −1 where it is none of the alphabet.</summary>
    public static int ToByte(char character) => character < CodeLimit ? Bytes[character] : -1;

    /// <summary>Writes the bytes' characters; both spans have one length.</summary>
    public static void Write(ReadOnlySpan<byte> bytes, Span<char> characters)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            characters[i] = Characters[bytes[i]];
        }
    }
}
