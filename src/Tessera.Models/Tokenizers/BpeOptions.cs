namespace Tessera.Models.Tokenizers;

/// <summary>The switches of a byte-pair model.</summary>
internal sealed record BpeOptions
{
    /// <summary>Whether pieces are turned into bytes first, each written as a character of <see cref="ByteAlphabet"/>.</summary>
    public bool MapsBytes { get; init; }

    /// <summary>Whether a piece that is a token as a whole is that token, whatever the merges say.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Whether an unknown character becomes tokens <c>&lt;0xHH&gt;</c> of its UTF-8 bytes, where all of them exist.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether neighbouring unknown characters become one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>The id for what cannot be encoded, or −1 to drop it.</summary>
    public int UnknownId { get; init; } = -1;
}
