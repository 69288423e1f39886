namespace Tessera.Models.Tokenizers;

/// <summary>What <see cref="TokenizerTrainer"/> is to make.</summary>
public sealed record TokenizerTrainerOptions
{
    /// <summary>How many tokens to make: the 256 bytes, merges, and the special tokens. At least 256 and the special tokens.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Control tokens; their ids follow the others in this order. Their text is cut out of the training text.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = [];

    /// <summary>Whether every digit is a token of its own, which helps small models to calculate.</summary>
    public bool SplitDigits { get; init; }

    /// <summary>A pair that occurs less often than this is not merged.</summary>
    public long MinimumPairCount { get; init; } = 2;
}
