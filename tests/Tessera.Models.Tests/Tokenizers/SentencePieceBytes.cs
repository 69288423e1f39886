using System.Text;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>A small SentencePiece model, as records and as the bytes of its file.</summary>
internal sealed record SentencePieceBytes
{
    /// <summary>The pieces that every vocabulary with bytes begins with: unknown, begin, end, 256 bytes.</summary>
    public static readonly SentencePiece[] Start =
    [
        new("<unk>", 0, SentencePieceType.Unknown), new("<s>", 0, SentencePieceType.Control), new("</s>", 0, SentencePieceType.Control),
        .. Enumerable.Range(0, 256).Select(value => new SentencePiece($"<0x{value:X2}>", 0, SentencePieceType.Byte)),
    ];

    public IReadOnlyList<SentencePiece> Pieces { get; init; } =
        [.. Start, .. ((string[])["▁a", "ab", "▁ab", "▁", "a", "b", "c"]).Select((text, i) => new SentencePiece(text, -i, SentencePieceType.Normal))];

    public int ModelType { get; init; } = 2;

    public bool AddDummyPrefix { get; init; } = true;

    public bool RemoveExtraWhitespaces { get; init; }

    public bool EscapeWhitespaces { get; init; } = true;

    public bool ByteFallback { get; init; } = true;

    public int BeginId { get; init; } = 1;

    public byte[] CharacterMap { get; init; } = [];

    public byte[] More { get; init; } = [];

    public Tokenizer Load()
    {
        using var folder = new ScratchFolder();
        return Tokenizer.Load(folder.Write("tokenizer.model", ToBytes()));
    }

    public byte[] ToBytes()
    {
        var file = new MemoryStream();
        foreach (SentencePiece piece in Pieces)
        {
            var item = new MemoryStream();
            Text(item, 1, Encoding.UTF8.GetBytes(piece.Text));
            item.WriteByte((2 << 3) | 5);
            item.Write(BitConverter.GetBytes(piece.Score));
            if (piece.Type != SentencePieceType.Normal)
            {
                Number(item, 3, (int)piece.Type);
            }

            Text(file, 1, item.ToArray());
        }

        var trainer = new MemoryStream();
        Number(trainer, 3, ModelType);
        Number(trainer, 35, ByteFallback ? 1 : 0);
        Number(trainer, 41, BeginId);
        Text(file, 2, trainer.ToArray());
        var normalizer = new MemoryStream();
        Text(normalizer, 1, "identity"u8.ToArray());
        Text(normalizer, 2, CharacterMap);
        Number(normalizer, 3, AddDummyPrefix ? 1 : 0);
        Number(normalizer, 4, RemoveExtraWhitespaces ? 1 : 0);
        Number(normalizer, 5, EscapeWhitespaces ? 1 : 0);
        Text(file, 3, normalizer.ToArray());
        file.Write(More);
        return file.ToArray();
    }

    private static void Text(MemoryStream target, int field, byte[] value)
    {
        Varint(target, (ulong)((field << 3) | 2));
        Varint(target, (ulong)value.Length);
        target.Write(value);
    }

    private static void Number(MemoryStream target, int field, long value)
    {
        Varint(target, (ulong)(field << 3));
        Varint(target, (ulong)value);
    }

    private static void Varint(MemoryStream target, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            target.WriteByte((byte)(value | 0x80));
        }

        target.WriteByte((byte)value);
    }
}
