using System.Globalization;

namespace Tessera.Inference;

/// <summary>How the next token is chosen and when to stop.</summary>
public sealed record GenerationSettings
{
    /// <summary>Most alternatives that can be reported with a token.</summary>
    public const int MostTopLogProbs = 20;

    /// <summary>Most tokens to add to a prompt.</summary>
    public int MaxNewTokens { get; init; } = 256;

    /// <summary>0 takes the likeliest token; above, logits are divided by it before drawing.</summary>
    public float Temperature { get; init; }

    /// <summary>Draw from the smallest set of likeliest tokens whose mass reaches this.</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Draw from this many likeliest tokens; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Seed of the draws; sequences that shall differ need seeds that differ.</summary>
    public ulong Seed { get; init; }

    /// <summary>How many of the likeliest tokens are reported with each token.</summary>
    public int TopLogProbs { get; init; }

    /// <summary>Tokens that end a sequence; they are not part of the result.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>A seed for one of several sequences that share a seed: well mixed, so that neighbours have nothing in common.</summary>
    /// <remarks>The finaliser of SplitMix64 (Steele, Lea and Flood 2014) over seed + (index + 1)·φ.</remarks>
    public static ulong SequenceSeed(ulong seed, ulong index)
    {
        ulong mixed = unchecked(seed + ((index + 1) * 0x9E37_79B9_7F4A_7C15UL));
        mixed = unchecked((mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9UL);
        mixed = unchecked((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EBUL);
        return mixed ^ (mixed >> 31);
    }

    /// <summary>Refuses numbers that say nothing about how to choose.</summary>
    /// <exception cref="ArgumentException">A sentence with the setting, what it is and what was expected.</exception>
    public void Validate()
    {
        Require(float.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature, "0 or a positive number");
        Require(TopP is > 0 and <= 1, nameof(TopP), TopP, "above 0 and at most 1");
        Require(TopK >= 0, nameof(TopK), TopK, "0 for all or a number of tokens");
        Require(MaxNewTokens >= 0, nameof(MaxNewTokens), MaxNewTokens, "0 or more");
        Require(
            TopLogProbs is >= 0 and <= MostTopLogProbs, nameof(TopLogProbs), TopLogProbs,
            string.Create(CultureInfo.InvariantCulture, $"0 to {MostTopLogProbs}"));
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

    /// <summary>Its guide ended it, at a stop text for instance.</summary>
    StopText,

    /// <summary>It reached the most new tokens, or the model's last position.</summary>
    Length,

    /// <summary>It was cancelled.</summary>
    Cancelled,
}

/// <summary>A sequence to continue.</summary>
/// <param name="Prompt">Its tokens so far.</param>
/// <param name="Settings">How to choose and when to stop.</param>
/// <param name="Guide">Watches it, or null.</param>
public sealed record GenerationRequest(int[] Prompt, GenerationSettings Settings, SequenceGuide? Guide = null);

/// <summary>A continuation.</summary>
/// <param name="Ids">New tokens, without the stop token.</param>
/// <param name="Reason">Why it ended.</param>
public sealed record GeneratedSequence(int[] Ids, FinishReason Reason)
{
    /// <summary>The stop token that ended it, or null.</summary>
    public int? StopId { get; init; }

    /// <summary>
    /// Natural log of the model's probability of each new token, at temperature 1 and without truncation; the stop token's is last
    /// if there is one.
    /// </summary>
    public float[] LogProbs { get; init; } = [];
}
