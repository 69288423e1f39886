using System.Text.Json.Nodes;

namespace Tessera.Inference.Chat;

/// <summary>What is asked of a chat: messages, how to answer, when to stop. What is null comes from the model's own defaults.</summary>
public sealed record ChatRequest
{
    /// <summary>The conversation in OpenAI's form (role, content); the last message is usually the user's.</summary>
    public required IReadOnlyList<JsonObject> Messages { get; init; }

    /// <summary>Further variables of the template, or null.</summary>
    public JsonObject? Variables { get; init; }

    /// <summary>Whether to think before answering; null leaves it to the messages and the template.</summary>
    public bool? Thinking { get; init; }

    /// <summary>Most tokens of the reply, reasoning included; null for as many as the model's positions allow.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>0 takes the likeliest token.</summary>
    public float? Temperature { get; init; }

    /// <summary>Draw from the smallest set of likeliest tokens whose mass reaches this.</summary>
    public float? TopP { get; init; }

    /// <summary>Draw from this many likeliest tokens; 0 for all.</summary>
    public int? TopK { get; init; }

    /// <summary>Seed of the draws; null for a fresh one. Choice i is drawn with a seed derived from this and i.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Texts that end the reply.</summary>
    public IReadOnlyList<string> StopTexts { get; init; } = [];

    /// <summary>Tokens that end the reply, beside the model's own.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>Whether to go on behind the model's own end tokens.</summary>
    public bool IgnoresEnd { get; init; }

    /// <summary>Most tokens of reasoning; null for no limit.</summary>
    public int? ThinkingBudget { get; init; }

    /// <summary>How many likeliest tokens to report with each token; null for no log-probabilities.</summary>
    public int? TopLogProbs { get; init; }

    /// <summary>Number of replies.</summary>
    public int Choices { get; init; } = 1;
}

/// <summary>A request that can be run: rendered, encoded, checked.</summary>
/// <param name="Prompt">Token ids.</param>
/// <param name="Settings">Of the first choice.</param>
/// <param name="StopTexts">Texts that end a reply.</param>
/// <param name="ThinkingBudget">Most tokens of reasoning, or null.</param>
/// <param name="ReportsLogProbs">Whether tokens are reported with their log-probabilities.</param>
/// <param name="Choices">Number of replies.</param>
/// <param name="SplitsReasoning">Whether reasoning is told from the answer.</param>
public sealed record PreparedChat(
    int[] Prompt, GenerationSettings Settings, IReadOnlyList<string> StopTexts, int? ThinkingBudget, bool ReportsLogProbs,
    int Choices, bool SplitsReasoning);

/// <summary>The next piece of one reply.</summary>
/// <param name="Choice">Which reply, from 0.</param>
/// <param name="Text">New text; may be empty.</param>
/// <param name="Tokens">The tokens of this piece with their log-probabilities; empty if they were not asked for.</param>
/// <param name="Finish">Why the reply ended; null while it goes on.</param>
/// <param name="Usage">Tokens of this reply so far.</param>
public sealed record ChatUpdate(
    int Choice, SplitText Text, IReadOnlyList<TokenEvent> Tokens, FinishReason? Finish, ChatUsage Usage);

/// <summary>Counts of tokens.</summary>
/// <param name="Prompt">Tokens of the prompt.</param>
/// <param name="Completion">Tokens chosen, stop token and reasoning included.</param>
/// <param name="Reasoning">Those among them from the open to the close tag.</param>
public readonly record struct ChatUsage(int Prompt, int Completion, int Reasoning);
