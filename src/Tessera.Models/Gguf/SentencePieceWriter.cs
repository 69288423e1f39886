using System.Buffers.Binary;
using System.Text;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Gguf;

/// <summary>
/// Writes a SentencePiece model of type BPE, the protobuf message <c>ModelProto</c> of sentencepiece_model.proto: pieces (1),
/// trainer_spec (2), normalizer_spec (3).
/// </summary>
internal static class SentencePieceWriter
{
    private const int Varint = 0, Bytes = 2, Fixed32 = 5;

    /// <summary>The file's bytes.</summary>
    /// <param name="pieces">The pieces; the index is the id.</param>
    /// <param name="options">How they are used.</param>
    /// <param name="special">Ids by the names bos_token, eos_token, unk_token and pad_token.</param>
    public static byte[] Write(IReadOnlyList<SentencePiece> pieces, SentencePieceOptions options, IReadOnlyDictionary<string, int> special)
    {
        using var file = new MemoryStream();
        foreach (SentencePiece piece in pieces)
        {
            using var message = new MemoryStream();
            WriteBytes(message, 1, Encoding.UTF8.GetBytes(piece.Text));
            Span<byte> score = stackalloc byte[sizeof(float)];
            BinaryPrimitives.WriteSingleLittleEndian(score, piece.Score);
            WriteKey(message, 2, Fixed32);
            message.Write(score);
            WriteNumber(message, 3, (int)piece.Type);
            WriteBytes(file, 1, message.ToArray());
        }

        WriteBytes(file, 2, Trainer(pieces.Count, options, special));
        using var normalizer = new MemoryStream();
        WriteBytes(normalizer, 1, "identity"u8);
        WriteNumber(normalizer, 3, options.AddDummyPrefix ? 1 : 0);
        WriteNumber(normalizer, 4, options.RemoveExtraWhitespaces ? 1 : 0);
        WriteNumber(normalizer, 5, options.EscapeWhitespaces ? 1 : 0);
        WriteBytes(file, 3, normalizer.ToArray());
        return file.ToArray();
    }

    private static byte[] Trainer(int count, SentencePieceOptions options, IReadOnlyDictionary<string, int> special)
    {
        using var message = new MemoryStream();
        const int BytePairs = 2;
        WriteNumber(message, 3, BytePairs);
        WriteNumber(message, 4, count);
        WriteNumber(message, 35, options.ByteFallback ? 1 : 0);
        foreach (var (field, name) in ((int, string)[])[(40, "unk_token"), (41, "bos_token"), (42, "eos_token"), (43, "pad_token")])
        {
            WriteNumber(message, field, special.TryGetValue(name, out int id) ? id : -1);
        }

        return message.ToArray();
    }

    private static void WriteBytes(MemoryStream stream, int field, ReadOnlySpan<byte> bytes)
    {
        WriteKey(stream, field, Bytes);
        WriteVarint(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    // A negative number takes the ten bytes of its 64-bit form.
    private static void WriteNumber(MemoryStream stream, int field, int value)
    {
        WriteKey(stream, field, Varint);
        WriteVarint(stream, (ulong)(long)value);
    }

    private static void WriteKey(MemoryStream stream, int field, int kind) => WriteVarint(stream, ((ulong)field << 3) | (uint)kind);

    private static void WriteVarint(MemoryStream stream, ulong value)
    {
        for (; value > 0x7F; value >>= 7)
        {
            stream.WriteByte((byte)(value | 0x80));
        }

        stream.WriteByte((byte)value);
    }
}
