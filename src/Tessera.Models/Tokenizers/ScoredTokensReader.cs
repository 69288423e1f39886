using System.Buffers.Binary;
using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Reads llama2.c's <c>tokenizer.bin</c>: a 32-bit length of the longest token, then of each token a 32-bit float score, a
/// 32-bit length and its bytes, all little-endian (export of tokenizer.py in karpathy/llama2.c). Ids 0, 1 and 2 are the unknown
/// token, the beginning and the end; 256 bytes follow. Spaces are written as they are.
/// The file's line breaks around beginning and end are left out.
/// </summary>
internal static class ScoredTokensReader
{
    private const int FirstByte = 3;
    private const int FirstPiece = FirstByte + 256;

    /// <summary>The tokenizer of a file's bytes.</summary>
    public static TokenizerParts Read(string file, ReadOnlyMemory<byte> bytes)
    {
        ReadOnlySpan<byte> rest = bytes.Span;
        int longest = rest.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(rest) : -1;
        rest = rest[Math.Min(4, rest.Length)..];
        if (longest is < 1 or > 4096)
        {
            throw new InvalidDataException($"{file}: max_token_length is {longest}, not a length from 1 to 4096.");
        }

        var pieces = new List<SentencePiece>();
        while (!rest.IsEmpty)
        {
            int length = rest.Length >= 8 ? BinaryPrimitives.ReadInt32LittleEndian(rest[4..]) : -1;
            if (length < 0 || length > rest.Length - 8)
            {
                throw new InvalidDataException($"{file}: tokens[{pieces.Count}] has a length of {length}, which is not what is left of the file.");
            }

            ReadOnlySpan<byte> text = rest.Slice(8, length);
            if (!System.Text.Unicode.Utf8.IsValid(text))
            {
                throw new InvalidDataException($"{file}: tokens[{pieces.Count}] is not UTF-8.");
            }

            if (pieces.Count == BpeReader.IdLimit)
            {
                throw new InvalidDataException($"{file}: tokens has more than {BpeReader.IdLimit} entries.");
            }

            SentencePieceType type = TypeOf(pieces.Count);
            string piece = Encoding.UTF8.GetString(text);
            pieces.Add(new SentencePiece(
                type == SentencePieceType.Control ? piece.Trim('\n') : piece, BinaryPrimitives.ReadSingleLittleEndian(rest), type));
            rest = rest[(8 + length)..];
        }

        if (pieces.Count < FirstPiece)
        {
            throw new InvalidDataException($"{file}: tokens has {pieces.Count} entries, but {FirstPiece} come before the first piece.");
        }

        return SentencePieceBuilder.Build(file, pieces, new SentencePieceOptions
        {
            PiecesField = "tokens",
            EscapeWhitespaces = false,
            Prefix = [1],
        });
    }

    private static SentencePieceType TypeOf(int id) => id switch
    {
        0 => SentencePieceType.Unknown,
        < FirstByte => SentencePieceType.Control,
        < FirstPiece => SentencePieceType.Byte,
        _ => SentencePieceType.Normal,
    };
}
