using System.Text.Json.Nodes;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Models.Tokenizers;

namespace Tessera.Serving.Protocol;

/// <summary>Parts of replies in OpenAI's form.</summary>
internal static class ReplyJson
{
    /// <summary>What JSON can hold of a log-probability of zero probability.</summary>
    private const double LeastLogProb = -9999;

    /// <summary>The words of <c>finish_reason</c>.</summary>
    public static string Reason(FinishReason reason) => reason == FinishReason.Length ? "length" : "stop";

    public static JsonObject Usage(IEnumerable<ChatUsage> choices)
    {
        int prompt = 0, completion = 0, reasoning = 0;
        foreach (var usage in choices)
        {
            // All choices share one prompt.
            prompt = usage.Prompt;
            completion += usage.Completion;
            reasoning += usage.Reasoning;
        }

        return new JsonObject
        {
            ["prompt_tokens"] = prompt,
            ["completion_tokens"] = completion,
            ["total_tokens"] = prompt + completion,
            ["completion_tokens_details"] = new JsonObject { ["reasoning_tokens"] = reasoning },
        };
    }

    /// <summary>Both names that clients look for.</summary>
    public static void AddReasoning(JsonObject message, string reasoning)
    {
        message["reasoning_content"] = reasoning;
        message["reasoning"] = reasoning;
    }

    /// <summary><c>logprobs</c> of chat: one entry a token.</summary>
    public static JsonObject LogProbs(Tokenizer tokenizer, IEnumerable<TokenEvent> tokens) => new()
    {
        ["content"] = new JsonArray([.. tokens.Select(token => (JsonNode)ChatEntry(tokenizer, token))]),
    };

    /// <summary><c>logprobs</c> of completions: parallel lists.</summary>
    public static JsonObject CompletionLogProbs(Tokenizer tokenizer, IReadOnlyList<TokenEvent> tokens)
    {
        var top = new JsonArray();
        foreach (var token in tokens)
        {
            var alternatives = new JsonObject();
            foreach (var (id, logProb) in token.Top)
            {
                // Two ids may have one text; the likelier comes first and stays.
                alternatives.TryAdd(Text(tokenizer, id), Finite(logProb));
            }

            top.Add(alternatives);
        }

        return new JsonObject
        {
            ["tokens"] = new JsonArray([.. tokens.Select(token => (JsonNode?)Text(tokenizer, token.Token))]),
            ["token_logprobs"] = new JsonArray([.. tokens.Select(token => (JsonNode?)Finite(token.LogProb))]),
            ["top_logprobs"] = top,
        };
    }

    private static JsonObject ChatEntry(Tokenizer tokenizer, TokenEvent token)
    {
        var entry = Entry(tokenizer, token.Token, token.LogProb);
        entry["top_logprobs"] = new JsonArray(
            [.. token.Top.Select(other => (JsonNode)Entry(tokenizer, other.Token, other.LogProb))]);
        return entry;
    }

    private static JsonObject Entry(Tokenizer tokenizer, int id, float logProb) => new()
    {
        ["token"] = Text(tokenizer, id),
        ["logprob"] = Finite(logProb),
        ["bytes"] = new JsonArray([.. TokenBytes.Of(tokenizer, id).Select(value => (JsonNode)(int)value)]),
    };

    private static string Text(Tokenizer tokenizer, int id) => tokenizer.Decode([id], skipSpecialTokens: false);

    private static double Finite(float logProb) => Math.Max(LeastLogProb, logProb);
}
