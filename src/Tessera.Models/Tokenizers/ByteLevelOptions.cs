namespace Tessera.Models.Tokenizers;

/// <summary>The published patterns that cut a text before byte-level merging.</summary>
public enum SplitPattern
{
    /// <summary>GPT-2's.</summary>
    Gpt2,

    /// <summary>Llama 3's: numbers in groups of three digits.</summary>
    Llama3,

    /// <summary>Qwen 2's and 3's: every digit by itself.</summary>
    Qwen2,

    /// <summary>DeepSeek-V3's: numbers, Chinese and kana first, then words.</summary>
    DeepSeekV3,
}

/// <summary>How a byte-level vocabulary is used.</summary>
public sealed record ByteLevelOptions
{
    /// <summary>The name of the list of tokens in messages.</summary>
    public string TokensField { get; init; } = "tokens";

    /// <summary>The name of the list of merges in messages.</summary>
    public string MergesField { get; init; } = "merges";

    /// <summary>How a text is cut into pieces.</summary>
    public SplitPattern Pattern { get; init; }

    /// <summary>Whether a piece that is a token as a whole is that token, whatever the merges say; Llama 3 needs it.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Whether a text is brought into Unicode's Normalization Form C first; Qwen does.</summary>
    public bool NormalizesToFormC { get; init; }

    /// <summary>Tokens that are found in the text as it stands, and whether they are control tokens.</summary>
    public IReadOnlyDictionary<int, bool> AddedTokens { get; init; } = new Dictionary<int, bool>();

    /// <summary>Ids put before a text on request.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    /// <summary>Ids put behind a text on request.</summary>
    public IReadOnlyList<int> Suffix { get; init; } = [];
}
