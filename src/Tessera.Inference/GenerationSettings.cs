using System.Globalization;

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

    /// <summary>Refuses numbers that say nothing about how to choose.</summary>
    /// <exception cref="ArgumentException">A sentence with the setting, what it is and what was expected.</exception>
    public void Validate()
    {
        Require(float.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature, "0 or a positive number");
        Require(TopP is > 0 and <= 1, nameof(TopP), TopP, "above 0 and at most 1");
        Require(TopK >= 0, nameof(TopK), TopK, "0 for all or a number of tokens");
        Require(MaxNewTokens >= 0, nameof(MaxNewTokens), MaxNewTokens, "0 or more");
    }

    private static void Require(bool holds, string setting, double value, string expected)
    {
        if (!holds)
        {
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{setting} is {value}, expected {expected}"));
        }
    }
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
