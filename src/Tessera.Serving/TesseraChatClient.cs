using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Tessera.Inference;
using Tessera.Inference.Chat;
using FinishReason = Tessera.Inference.FinishReason;

namespace Tessera.Serving;

/// <summary>
/// .NET's common interface for chat, over an engine in the same process. Reasoning comes as <see cref="TextReasoningContent"/>.
/// </summary>
/// <param name="engine">Gives the replies; not owned.</param>
/// <remarks>
/// Thinking is switched by <see cref="ChatOptions.Reasoning"/> (effort none is off, any other on) or by the additional property
/// <see cref="EnableThinking"/>; <see cref="ThinkingTokenBudget"/> limits it. Tools, constrained output, penalties and content that
/// is not text are refused: they would change the answer, and this engine has none of them.
/// </remarks>
public sealed class TesseraChatClient(ChatEngine engine) : IChatClient
{
    /// <summary>Additional property, a <see cref="bool"/>: whether to think.</summary>
    public const string EnableThinking = "enable_thinking";

    /// <summary>Additional property, an <see cref="int"/>: most tokens of reasoning.</summary>
    public const string ThinkingTokenBudget = "thinking_token_budget";

    private readonly ChatClientMetadata _metadata = new("tessera", defaultModelId: engine.Model.Name);

    /// <inheritdoc />
    /// <exception cref="ArgumentException">Something asked for cannot be done; the message says what.</exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        await GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc />
    /// <exception cref="ArgumentException">Something asked for cannot be done; the message says what.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var chat = engine.Prepare(ToRequest(messages, options));
        string id = $"chatcmpl-{Guid.NewGuid():N}";
        var created = DateTimeOffset.UtcNow;
        await foreach (var update in engine.StreamAsync(chat, cancellationToken))
        {
            var contents = Contents(update);
            if (contents.Count > 0)
            {
                yield return new ChatResponseUpdate(ChatRole.Assistant, contents)
                {
                    ResponseId = id,
                    MessageId = id,
                    ModelId = engine.Model.Name,
                    CreatedAt = created,
                    FinishReason = update.Finish is null ? null
                        : update.Finish == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop,
                };
            }
        }
    }

    /// <inheritdoc />
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(engine) ? engine
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Nothing to release: the engine belongs to who made it.</summary>
    public void Dispose()
    {
    }

    private static List<AIContent> Contents(ChatUpdate update)
    {
        var contents = new List<AIContent>();
        if (update.Text.Reasoning.Length > 0)
        {
            contents.Add(new TextReasoningContent(update.Text.Reasoning));
        }

        if (update.Text.Content.Length > 0)
        {
            contents.Add(new TextContent(update.Text.Content));
        }

        if (update.Finish is not null)
        {
            contents.Add(new UsageContent(new UsageDetails
            {
                InputTokenCount = update.Usage.Prompt,
                OutputTokenCount = update.Usage.Completion,
                TotalTokenCount = update.Usage.Prompt + update.Usage.Completion,
                ReasoningTokenCount = update.Usage.Reasoning,
            }));
        }

        return contents;
    }

    private ChatRequest ToRequest(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var request = new ChatRequest { Messages = [.. Instructions(options), .. messages.Select(ToMessage)] };
        if (options is null)
        {
            return request;
        }

        Refuse(options.Tools is { Count: > 0 }, "tools");
        Refuse(options.ResponseFormat is not (null or ChatResponseFormatText), "constrained output");
        Refuse(options.FrequencyPenalty is not (null or 0) || options.PresencePenalty is not (null or 0), "penalties");
        Refuse(options.ModelId is { } asked && asked != engine.Model.Name, $"model '{options.ModelId}'");
        return request with
        {
            Temperature = options.Temperature,
            TopP = options.TopP,
            TopK = options.TopK,
            MaxTokens = options.MaxOutputTokens,
            Seed = options.Seed is { } seed ? unchecked((ulong)seed) : null,
            StopTexts = [.. options.StopSequences ?? []],
            Thinking = Additional<bool>(options, EnableThinking)
                ?? (options.Reasoning?.Effort is { } effort ? effort != ReasoningEffort.None : null),
            ThinkingBudget = Additional<int>(options, ThinkingTokenBudget),
        };
    }

    private static JsonObject[] Instructions(ChatOptions? options) => string.IsNullOrEmpty(options?.Instructions)
        ? []
        : [new JsonObject { ["role"] = "system", ["content"] = options.Instructions }];

    private static JsonObject ToMessage(ChatMessage message)
    {
        Refuse(message.Contents.Any(content => content is not (TextContent or TextReasoningContent or UsageContent)), "content but text");
        var node = new JsonObject { ["role"] = message.Role.Value, ["content"] = message.Text };
        string reasoning = string.Concat(message.Contents.OfType<TextReasoningContent>().Select(content => content.Text));
        if (reasoning.Length > 0)
        {
            node["reasoning_content"] = reasoning;
        }

        return node;
    }

    private static T? Additional<T>(ChatOptions options, string name)
        where T : struct =>
        options.AdditionalProperties?.TryGetValue(name, out object? value) == true
            ? value as T? ?? throw new ArgumentException($"{name} is {value}, expected a {typeof(T).Name}")
            : null;

    private static void Refuse(bool isAsked, string what)
    {
        if (isAsked)
        {
            throw new ArgumentException($"this chat client has no {what}");
        }
    }
}
