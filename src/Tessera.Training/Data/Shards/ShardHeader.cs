using System.Buffers.Binary;
using System.Numerics;

namespace Tessera.Training.Data.Shards;

/// <summary>
/// The first 128 bytes of a token shard, little-endian (docs/data.md has the table): what the ids mean, how many there are, and
/// hashes of tokenizer and data. A CRC-32C over the header itself ends it.
/// </summary>
public sealed record ShardHeader
{
    /// <summary>Bytes of the header; the tokens begin behind it.</summary>
    public const int Bytes = 128;

    /// <summary>Version of the form.</summary>
    public const int Version = 1;

    /// <summary>Bytes of a SHA-256.</summary>
    public const int HashBytes = 32;

    private const int MostVocabulary = 1 << 24;
    private const int ChecksumPlace = Bytes - sizeof(uint);

    /// <summary>Documents; each has at least one token.</summary>
    public required long Documents { get; init; }

    /// <summary>Tokens of all documents, begin and end tokens included.</summary>
    public required long Tokens { get; init; }

    /// <summary>One more than the highest id that may occur.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The token that every document begins with, or null.</summary>
    public int? Begin { get; init; }

    /// <summary>The token that every document ends with, or null.</summary>
    public int? End { get; init; }

    /// <summary><see cref="VocabularyHash"/> of the tokenizer, 64 hexadecimal digits.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>SHA-256 of all bytes behind the header, 64 hexadecimal digits.</summary>
    public required string Data { get; init; }

    /// <summary>Bytes of a stored token: 2 where all ids fit into 16 bits, else 4.</summary>
    public int TokenBytes => Vocabulary <= 1 << 16 ? 2 : 4;

    /// <summary>Where the offsets of the documents begin: behind the tokens, at a multiple of 8.</summary>
    public long OffsetsStart => Bytes + ((Tokens * TokenBytes) + 7 & ~7L);

    /// <summary>Bytes of the whole file: header, tokens, and documents + 1 offsets of 8 bytes.</summary>
    public long FileBytes => OffsetsStart + ((Documents + 1) * sizeof(long));

    private static ReadOnlySpan<byte> Magic => "TSRTOK\r\n"u8;

    /// <summary>The header as bytes.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Magic.CopyTo(bytes);
        void Word(int place, int value) => BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(place), value);
        Word(8, Version);
        Word(12, TokenBytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), Documents);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), Tokens);
        Word(32, Vocabulary);
        Word(36, Begin ?? -1);
        Word(40, End ?? -1);
        Convert.FromHexString(Tokenizer).CopyTo(bytes, 48);
        Convert.FromHexString(Data).CopyTo(bytes, 80);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumPlace), Checksum(bytes));
        return bytes;
    }

    /// <summary>Reads and checks a header against the length of its file.</summary>
    /// <exception cref="InvalidDataException">It is no such header; the sentence names file and field.</exception>
    public static ShardHeader Read(ReadOnlySpan<byte> bytes, long fileBytes, string path)
    {
        if (bytes.Length < Bytes || !bytes.StartsWith(Magic))
        {
            throw new InvalidDataException(bytes.Length < Bytes
                ? $"{path}: the file has {fileBytes} bytes, expected a header of {Bytes} and tokens behind it"
                : $"{path}: magic is not that of a token shard");
        }

        int Word(ReadOnlySpan<byte> header, int place) => BinaryPrimitives.ReadInt32LittleEndian(header[place..]);
        Require(path, "version", Word(bytes, 8), Version, Version);
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumPlace..]) != Checksum(bytes))
        {
            throw new InvalidDataException($"{path}: header checksum does not match, so the file is damaged");
        }

        int vocabulary = (int)Require(path, "vocabulary", Word(bytes, 32), 1, MostVocabulary);
        int Token(ReadOnlySpan<byte> header, string name, int place) => (int)Require(path, name, Word(header, place), -1, vocabulary - 1);
        int begin = Token(bytes, "begin", 36), end = Token(bytes, "end", 40);
        var header = new ShardHeader
        {
            // Bounds that keep every product below 2⁶³, before the exact length is asked for.
            Tokens = Require(path, "tokens", BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]), 0, fileBytes / 2),
            Documents = Require(path, "documents", BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), 0, fileBytes / sizeof(long)),
            Vocabulary = vocabulary,
            Begin = begin < 0 ? null : begin,
            End = end < 0 ? null : end,
            Tokenizer = Convert.ToHexStringLower(bytes.Slice(48, HashBytes)),
            Data = Convert.ToHexStringLower(bytes.Slice(80, HashBytes)),
        };
        Require(path, "token width", Word(bytes, 12), header.TokenBytes, header.TokenBytes);
        if (bytes.Slice(44, 4).ContainsAnyExcept((byte)0) || bytes.Slice(112, 12).ContainsAnyExcept((byte)0))
        {
            throw new InvalidDataException($"{path}: reserved bytes of the header are not zero");
        }

        return fileBytes == header.FileBytes
            ? header
            : throw new InvalidDataException(
                $"{path}: the file has {fileBytes} bytes, but {header.Tokens} tokens of {header.TokenBytes} bytes and {header.Documents} documents need {header.FileBytes}");
    }

    private static long Require(string path, string field, long value, long low, long high) => value >= low && value <= high
        ? value
        : throw new InvalidDataException(
            $"{path}: {field} is {value}, expected {(low == high ? low.ToString(System.Globalization.CultureInfo.InvariantCulture) : $"a number from {low} to {high}")}");

    /// <summary>CRC-32C (Castagnoli) of everything in front of the checksum.</summary>
    private static uint Checksum(ReadOnlySpan<byte> header)
    {
        uint sum = uint.MaxValue;
        foreach (byte value in header[..ChecksumPlace])
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        return ~sum;
    }
}
