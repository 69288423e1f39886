namespace Tessera.Training.Data.Shards;

/// <summary>How documents become shards.</summary>
public sealed record ShardSettings
{
    /// <summary>Token put in front of every document, or null.</summary>
    public int? Begin { get; init; }

    /// <summary>Token put behind every document, or null.</summary>
    public int? End { get; init; }

    /// <summary>Tokens with which a shard is full; the document that fills it is still in it.</summary>
    public long ShardTokens { get; init; } = 1L << 26;

    /// <summary>Share of documents held out: those whose SHA-256, as a fraction of its range, lies below it.</summary>
    public double ValidationShare { get; init; } = 0.01;

    /// <summary>Threads; 0 for one a processor. The files do not depend on it.</summary>
    public int Threads { get; init; }
}

/// <summary>What one line of the record of finished shards says; the first line has the identity alone.</summary>
internal sealed record ShardProgress
{
    /// <summary>Hash of inputs, tokenizer and settings; on the first line.</summary>
    public string? Identity { get; init; }

    /// <summary>Where the next shard begins.</summary>
    public CorpusPosition Next { get; init; }

    /// <summary>Documents without a token, from the beginning on.</summary>
    public long Empty { get; init; }

    /// <summary>The shard to train on, if any document is in it.</summary>
    public ShardEntry? Train { get; init; }

    /// <summary>The shard held out, if any document is in it.</summary>
    public ShardEntry? Validation { get; init; }
}
