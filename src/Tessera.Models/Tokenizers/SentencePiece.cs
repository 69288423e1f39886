namespace Tessera.Models.Tokenizers;

/// <summary>What a piece of a SentencePiece vocabulary is; the numbers are those of its files, and of GGUF's <c>token_type</c>.</summary>
public enum SentencePieceType
{
    /// <summary>Not said; no piece may have it.</summary>
    None = 0,

    /// <summary>Found by merging.</summary>
    Normal = 1,

    /// <summary>Stands for what no other piece covers; there is exactly one.</summary>
    Unknown = 2,

    /// <summary>Never read from plain text: the beginning, the end.</summary>
    Control = 3,

    /// <summary>Found in the text as it stands, and not merged further.</summary>
    UserDefined = 4,

    /// <summary>In the vocabulary, but not in use.</summary>
    Unused = 5,

    /// <summary>One byte, written <c>&lt;0xHH&gt;</c>.</summary>
    Byte = 6,
}

/// <summary>A token with its score; among possible merges the one whose result has the highest score comes first.</summary>
/// <param name="Text">The text, with spaces written as U+2581 where the vocabulary escapes them.</param>
/// <param name="Score">Finite; a trained vocabulary gives earlier merges higher scores.</param>
/// <param name="Type">What it is.</param>
public readonly record struct SentencePiece(string Text, float Score, SentencePieceType Type);
