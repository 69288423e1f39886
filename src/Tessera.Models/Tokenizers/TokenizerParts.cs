namespace Tessera.Models.Tokenizers;

/// <summary>What a tokenizer's file describes, checked and ready to use.</summary>
/// <param name="Model">Turns pieces into ids.</param>
/// <param name="Normalizer">Rewrites the text first; null for nothing.</param>
/// <param name="PreTokenizer">Cuts the text into pieces.</param>
/// <param name="Decoder">Makes a chain of decoding stages in front of a sink.</param>
/// <param name="AddedTokens">Tokens that are found in the text as it stands.</param>
/// <param name="Prefix">Ids put before a text on request.</param>
/// <param name="Suffix">Ids put behind it.</param>
internal sealed record TokenizerParts(
    BpeModel Model,
    TextNormalizer? Normalizer,
    IReadOnlyList<PreTokenizerStep> PreTokenizer,
    Func<DecodingStage, DecodingStage> Decoder,
    IReadOnlyList<AddedToken> AddedTokens,
    int[] Prefix,
    int[] Suffix)
{
    /// <summary>Whether the text of a control token becomes that token where the caller does not say.</summary>
    public bool ParsesSpecial { get; init; } = true;

    /// <summary>A text that an id is decoded to in place of its own, or nothing.</summary>
    public (int Id, string Text)? UnknownSurface { get; init; }
}
