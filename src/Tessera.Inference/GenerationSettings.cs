namespace Tessera.Inference;

/// <summary>How the next token is chosen and when to stop.</summary>
public sealed record GenerationSettings
{
    /// <summary>Most tokens to add to a prompt.</summary>
    public int MaxNewTokens { get; init; } = 256;

    /// <summary>0 takes the likeliest token; above, logits are divided by it before drawing.</summary>
    public float Temperature { get; init; }

    /// <summary>Draw from the smallest set of likeliest tokens whose mass reaches this.</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Draw from this many likeliest tokens; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Seed of the draws.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tokens that end a sequence; they are not part of the result.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];
}

/// <summary>Why a sequence ended.</summary>
public enum FinishReason
{
    /// <summary>It produced one of the stop tokens.</summary>
    Stop,

    /// <summary>It reached the most new tokens, or the model's last position.</summary>
    Length,
}

/// <summary>A continuation.</summary>
/// <param name="Ids">New tokens, without the stop token.</param>
/// <param name="Reason">Why it ended.</param>
public sealed record GeneratedSequence(int[] Ids, FinishReason Reason);
