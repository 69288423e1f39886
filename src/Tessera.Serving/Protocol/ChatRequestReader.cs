using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Inference;
using Tessera.Inference.Chat;

namespace Tessera.Serving.Protocol;

/// <summary>What a request asks for beside the chat itself.</summary>
/// <param name="Chat">The chat.</param>
/// <param name="Streams">Whether to answer as events.</param>
/// <param name="IncludesUsage">Whether a stream ends with an event of token counts.</param>
/// <param name="IncludesReasoning">Whether reasoning is part of the answer.</param>
/// <param name="Ignored">Fields that have no meaning here.</param>
internal sealed record ApiRequest(
    ChatRequest Chat, bool Streams, bool IncludesUsage, bool IncludesReasoning, IReadOnlyList<string> Ignored);

/// <summary>Reads the bodies of requests for completions.</summary>
internal static class ChatRequestReader
{
    private const int MostStops = 16;
    private const int MostStopIds = 64;
    private static readonly string[] Efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

    /// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
    public static ApiRequest Read(JsonElement body, string model)
    {
        var fields = new RequestFields(body);
        RequireModel(fields, model);
        var messages = MessageReader.Read(fields);
        var variables = fields.Object("chat_template_kwargs") is { } given ? JsonObject.Create(given) : null;
        bool? thinking = Thinking(fields, variables);
        fields.Refuse("tools", IsEmptyList, "calls of tools");
        fields.Refuse("functions", IsEmptyList, "calls of functions");
        fields.Refuse("response_format", IsPlainText, "constrained output");
        fields.Refuse("modalities", value => value.GetRawText() is "[\"text\"]", "output but text");
        fields.Get("tool_choice");
        fields.Get("parallel_tool_calls");
        int? top = fields.Integer("top_logprobs", 0, GenerationSettings.MostTopLogProbs);
        bool logProbs = fields.Flag("logprobs");
        if (top is not null && !logProbs)
        {
            throw fields.Fault("logprobs", "true where top_logprobs is given");
        }

        bool includesReasoning = fields.Get("include_reasoning") is null || fields.Flag("include_reasoning");
        var chat = Sampling(fields) with
        {
            Messages = messages,
            Variables = variables,
            Thinking = thinking,
            MaxTokens = fields.Integer("max_completion_tokens", 1, int.MaxValue) ?? fields.Integer("max_tokens", 1, int.MaxValue),
            ThinkingBudget = fields.Integer("thinking_token_budget", 0, int.MaxValue),
            TopLogProbs = logProbs ? top ?? 0 : null,
        };
        return Finish(fields, chat, includesReasoning);
    }

    /// <summary>The body of <c>POST /v1/completions</c>, and its prompt as text or ids.</summary>
    public static (ApiRequest Request, string? Text, int[]? Ids) ReadCompletion(JsonElement body, string model)
    {
        const int DefaultTokens = 16;
        var fields = new RequestFields(body);
        RequireModel(fields, model);
        var prompt = fields.Get("prompt") ?? throw fields.Fault("prompt", "a string or a list of token ids");
        string? text = prompt.ValueKind == JsonValueKind.String ? fields.ToText("prompt", prompt) : null;
        int[]? ids = text is null ? Ids(fields, "prompt", int.MaxValue) : null;
        fields.Refuse("echo", IsFalse, "echo of the prompt");
        fields.Refuse("suffix", value => value.ValueEquals(""u8), "suffix");
        fields.Refuse("best_of", value => value.GetRawText() == "1", "choice among several continuations");
        int? logProbs = fields.Integer("logprobs", 0, GenerationSettings.MostTopLogProbs);
        var chat = Sampling(fields) with
        {
            Messages = [],
            MaxTokens = fields.Integer("max_tokens", 1, int.MaxValue) ?? DefaultTokens,
            TopLogProbs = logProbs,
        };
        return (Finish(fields, chat, includesReasoning: false), text, ids);
    }

    private static void RequireModel(RequestFields fields, string model)
    {
        if (fields.Text("model") is { Length: > 0 } asked && asked != model)
        {
            throw new ApiException(404, $"model is {JsonSerializer.Serialize(asked)}, this server has '{model}'", "model", "model_not_found");
        }
    }

    private static ChatRequest Sampling(RequestFields fields)
    {
        fields.Refuse("frequency_penalty", IsZero, "penalties");
        fields.Refuse("presence_penalty", IsZero, "penalties");
        fields.Refuse("repetition_penalty", value => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 1, "penalties");
        fields.Refuse("min_p", IsZero, "min_p");
        fields.Refuse("min_tokens", IsZero, "least length");
        fields.Refuse("logit_bias", value => value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any(), "biases of tokens");
        var topP = fields.Number("top_p", 0, 1);
        return new ChatRequest
        {
            Messages = [],
            Temperature = fields.Number("temperature", 0, 100),
            TopP = topP is null or > 0 ? topP : throw fields.Fault("top_p", "a number above 0, at most 1"),
            TopK = fields.Integer("top_k", -1, int.MaxValue) is { } k ? Math.Max(0, k) : null,
            Seed = fields.Long("seed") is { } seed ? unchecked((ulong)seed) : null,
            StopTexts = fields.Texts("stop", MostStops),
            StopIds = Ids(fields, "stop_token_ids", MostStopIds),
            IgnoresEnd = fields.Flag("ignore_eos"),
            Choices = fields.Integer("n", 1, ChatEngine.MostChoices) ?? 1,
        };
    }

    private static ApiRequest Finish(RequestFields fields, ChatRequest chat, bool includesReasoning)
    {
        bool streams = fields.Flag("stream");
        bool usage = fields.Object("stream_options") is { } options
            && new RequestFields(options, "stream_options.").Flag("include_usage");

        // Said for the client's own records or for a cache that is not here: nothing in the answer depends on it.
        fields.Get("user");
        fields.Get("metadata");
        fields.Get("store");
        fields.Get("service_tier");
        return new ApiRequest(chat, streams, usage, includesReasoning, [.. fields.Unknown]);
    }

    private static bool? Thinking(RequestFields fields, JsonObject? variables)
    {
        string? effort = fields.Text("reasoning_effort");
        if (effort is not null && !Efforts.Contains(effort))
        {
            throw fields.Fault("reasoning_effort", string.Join(", ", Efforts));
        }

        if (variables?["enable_thinking"] is { } given)
        {
            return given is JsonValue value && value.TryGetValue(out bool thinks)
                ? thinks
                : throw new ApiException(
                    400, $"chat_template_kwargs.enable_thinking is {given.ToJsonString()}, expected true or false",
                    "chat_template_kwargs.enable_thinking");
        }

        return effort is null ? null : effort != "none";
    }

    private static int[] Ids(RequestFields fields, string name, int most)
    {
        var items = fields.List(name, most);
        return [.. items.Select((item, i) => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0
            ? id
            : throw fields.Fault($"{name}[{i}]", item, "a token id"))];
    }

    private static bool IsZero(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0;

    private static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IsEmptyList(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    private static bool IsPlainText(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out var type)
        && type.ValueKind == JsonValueKind.String && type.ValueEquals("text"u8);
}
