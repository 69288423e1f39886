namespace Tessera.Puzzle.Tables;

/// <summary>Times of every half in one load: a named scenario at one batch size.</summary>
public sealed record LoadTable
{
    /// <summary>The scenario's name; loads of one scenario differ in their batch.</summary>
    public required string Scenario { get; init; }

    /// <summary>The scenario's share in a weighted objective.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Sequences at a time.</summary>
    public required int Batch { get; init; }

    /// <summary>Further sequences whose prompts already take room in the cache.</summary>
    public int QueuedPrompts { get; init; }

    /// <summary>Prompt tokens of each sequence.</summary>
    public required int InputLength { get; init; }

    /// <summary>Generated tokens of each sequence.</summary>
    public required int OutputLength { get; init; }

    /// <summary>What the times were taken on; may be empty.</summary>
    public string Machine { get; init; } = string.Empty;

    /// <summary>Whether the times come from a model of the machine and not from a clock.</summary>
    public bool IsPredicted { get; init; }

    /// <summary>Whether prefill and decoding are told apart.</summary>
    public bool HasPhases { get; init; } = true;

    /// <summary>For messages and reports.</summary>
    public required string Label { get; init; }

    /// <summary>Outside the layers.</summary>
    public required LoadTime Base { get; init; }

    /// <summary>Mixers by label.</summary>
    public required IReadOnlyDictionary<string, LoadTime> Mixers { get; init; }

    /// <summary>Feed-forwards by label.</summary>
    public required IReadOnlyDictionary<string, LoadTime> FeedForwards { get; init; }

    /// <summary>Positions of the whole cache: (input + output) · (batch + queued prompts).</summary>
    public double CachedPositions => ((double)InputLength + OutputLength) * ((double)Batch + QueuedPrompts);

    /// <summary>Generated tokens of the whole load.</summary>
    public double GeneratedTokens => (double)Batch * OutputLength;

    /// <summary>Prompt and generated tokens of the whole load.</summary>
    public double AllTokens => (double)Batch * ((double)InputLength + OutputLength);
}
