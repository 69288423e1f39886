namespace Tessera.Models.Tokenizers;

/// <summary>How a SentencePiece vocabulary is used.</summary>
public sealed record SentencePieceOptions
{
    /// <summary>The longest character map that is read: published ones have 250 KB.</summary>
    internal const int CharacterMapLimit = 16 << 20;

    /// <summary>The name of the list of pieces in messages.</summary>
    public string PiecesField { get; init; } = "pieces";

    /// <summary>Whether a space is put before every text that is not empty.</summary>
    public bool AddDummyPrefix { get; init; } = true;

    /// <summary>Whether spaces at both ends vanish and runs of them become one.</summary>
    public bool RemoveExtraWhitespaces { get; init; }

    /// <summary>Whether pieces write spaces as U+2581.</summary>
    public bool EscapeWhitespaces { get; init; } = true;

    /// <summary>Whether a character that is no piece becomes the pieces of its bytes.</summary>
    public bool ByteFallback { get; init; } = true;

    /// <summary>
    /// Rules that replace characters before all else: the length of a double-array trie as a little-endian 32-bit number, the
    /// trie (32-bit units), and the replacements, each with a zero byte behind it. Empty for none.
    /// </summary>
    public ReadOnlyMemory<byte> CharacterMap { get; init; }

    /// <summary>What the unknown piece is decoded to.</summary>
    public string UnknownSurface { get; init; } = " \u2047 ";

    /// <summary>Ids put before a text on request.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    /// <summary>Ids put behind a text on request.</summary>
    public IReadOnlyList<int> Suffix { get; init; } = [];
}
