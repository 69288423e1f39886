namespace Tessera.Models.Configuration;

/// <summary>
/// The largest values a configuration may have. They are far above any published model and keep every count of
/// elements and bytes within 63 bits.
/// </summary>
public static class ConfigurationLimits
{
    /// <summary>Largest hidden size.</summary>
    public const int HiddenSize = 1 << 20;

    /// <summary>Largest number of layers.</summary>
    public const int Layers = 10_000;

    /// <summary>Largest vocabulary.</summary>
    public const int Vocabulary = 1 << 24;

    /// <summary>Largest number of query heads.</summary>
    public const int Heads = 1 << 16;

    /// <summary>Largest head.</summary>
    public const int HeadDim = 1 << 14;

    /// <summary>Largest width of all query heads together.</summary>
    public const int AttentionWidth = 1 << 22;

    /// <summary>Largest feed-forward width.</summary>
    public const int FeedForwardWidth = 1 << 24;

    /// <summary>Longest context.</summary>
    public const int Positions = 1 << 30;

    /// <summary>Most end-of-text tokens.</summary>
    public const int EosTokens = 256;

    /// <summary>Largest config.json in bytes.</summary>
    public const long FileBytes = 64L << 20;
}
