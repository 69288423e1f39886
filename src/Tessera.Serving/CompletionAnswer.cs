using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Tessera.Inference;
using Tessera.Inference.Chat;
using Tessera.Serving.Protocol;

namespace Tessera.Serving;

/// <summary>The shape of one endpoint's answers.</summary>
/// <param name="model">Names and tokens.</param>
/// <param name="prefix">Of the answer's id.</param>
internal abstract class CompletionAnswer(ChatModel model, string prefix)
{
    private readonly string _id = prefix + Guid.NewGuid().ToString("N");
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    protected ChatModel Model => model;

    /// <summary><c>object</c> of a document.</summary>
    protected abstract string DocumentKind { get; }

    /// <summary><c>object</c> of an event.</summary>
    protected abstract string EventKind { get; }

    /// <summary>The field of a request that holds the prompt.</summary>
    protected abstract string InputField { get; }

    /// <summary>Runs a request and writes its answer.</summary>
    /// <remarks>Until the first token is there the status is open; later failures can only be told inside the stream.</remarks>
    public async Task WriteAsync(
        HttpResponse response, ChatEngine engine, PreparedChat chat, ApiRequest request, CancellationToken cancellation)
    {
        await using var updates = engine.StreamAsync(chat, cancellation).GetAsyncEnumerator(cancellation);
        if (request.Streams)
        {
            bool any = await updates.MoveNextAsync();
            EventStream.Begin(response);
            await StreamAsync(response, updates, any, chat, request, cancellation);
        }
        else
        {
            await WriteWholeAsync(response, updates, chat, request, cancellation);
        }
    }

    /// <summary>The first event of a choice, or null if there is none.</summary>
    protected abstract JsonObject? Opening(int index);

    /// <summary>The events for a piece of text.</summary>
    protected abstract IEnumerable<JsonObject> Pieces(ChatUpdate update, bool includesReasoning);

    /// <summary>A whole choice.</summary>
    protected abstract JsonObject Choice(int index, SplitText text, IReadOnlyList<TokenEvent>? tokens, bool includesReasoning);

    /// <summary>The last event of a choice, before its reason is filled in.</summary>
    protected abstract JsonObject Closing(int index);

    private async Task StreamAsync(
        HttpResponse response, IAsyncEnumerator<ChatUpdate> updates, bool any, PreparedChat chat, ApiRequest request,
        CancellationToken cancellation)
    {
        var usage = new ChatUsage[chat.Choices];
        try
        {
            for (int i = 0; i < chat.Choices; i++)
            {
                if (Opening(i) is { } opening)
                {
                    await SendAsync(response, opening, request, cancellation);
                }
            }

            for (; any; any = await updates.MoveNextAsync())
            {
                var update = updates.Current;
                usage[update.Choice] = update.Usage;
                foreach (var piece in Pieces(update, request.IncludesReasoning))
                {
                    await SendAsync(response, piece, request, cancellation);
                }

                if (update.Finish is { } reason)
                {
                    var closing = Closing(update.Choice);
                    closing["finish_reason"] = ReplyJson.Reason(reason);
                    await SendAsync(response, closing, request, cancellation);
                }
            }

            if (request.IncludesUsage)
            {
                var last = Envelope(EventKind, []);
                last["usage"] = ReplyJson.Usage(usage);
                await EventStream.SendAsync(response, last, cancellation);
            }
        }
        catch (Exception error) when (!response.HttpContext.RequestAborted.IsCancellationRequested)
        {
            await EventStream.SendAsync(response, ApiException.From(error, InputField).ToJson(), CancellationToken.None);
        }

        await EventStream.EndAsync(response, response.HttpContext.RequestAborted);
    }

    private Task SendAsync(HttpResponse response, JsonObject choice, ApiRequest request, CancellationToken cancellation)
    {
        var data = Envelope(EventKind, [choice]);
        if (request.IncludesUsage)
        {
            data["usage"] = null;
        }

        return EventStream.SendAsync(response, data, cancellation);
    }

    private async Task WriteWholeAsync(
        HttpResponse response, IAsyncEnumerator<ChatUpdate> updates, PreparedChat chat, ApiRequest request,
        CancellationToken cancellation)
    {
        var reasoning = Enumerable.Range(0, chat.Choices).Select(_ => new StringBuilder()).ToArray();
        var content = Enumerable.Range(0, chat.Choices).Select(_ => new StringBuilder()).ToArray();
        var tokens = Enumerable.Range(0, chat.Choices).Select(_ => new List<TokenEvent>()).ToArray();
        var last = new ChatUpdate[chat.Choices];
        while (await updates.MoveNextAsync())
        {
            var update = updates.Current;
            reasoning[update.Choice].Append(update.Text.Reasoning);
            content[update.Choice].Append(update.Text.Content);
            tokens[update.Choice].AddRange(update.Tokens);
            last[update.Choice] = update;
        }

        var choices = new JsonArray();
        for (int i = 0; i < chat.Choices; i++)
        {
            var choice = Choice(
                i, new SplitText(reasoning[i].ToString(), content[i].ToString()), chat.ReportsLogProbs ? tokens[i] : null,
                request.IncludesReasoning);
            choice["finish_reason"] = ReplyJson.Reason(last[i].Finish!.Value);
            choices.Add(choice);
        }

        var document = Envelope(DocumentKind, choices);
        document["usage"] = ReplyJson.Usage(last.Select(update => update.Usage));
        await EventStream.WriteDocumentAsync(response, StatusCodes.Status200OK, document, cancellation);
    }

    private JsonObject Envelope(string kind, JsonArray choices) => new()
    {
        ["id"] = _id,
        ["object"] = kind,
        ["created"] = _created,
        ["model"] = model.Name,
        ["choices"] = choices,
    };
}

/// <summary>Answers of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatAnswer(ChatModel model) : CompletionAnswer(model, "chatcmpl-")
{
    protected override string DocumentKind => "chat.completion";

    protected override string EventKind => "chat.completion.chunk";

    protected override string InputField => "messages";

    protected override JsonObject Opening(int index) => Event(index, new JsonObject { ["role"] = "assistant", ["content"] = "" });

    protected override IEnumerable<JsonObject> Pieces(ChatUpdate update, bool includesReasoning)
    {
        var tokens = update.Tokens;
        if (update.Text.Reasoning.Length > 0 && includesReasoning)
        {
            var delta = new JsonObject();
            ReplyJson.AddReasoning(delta, update.Text.Reasoning);
            yield return WithLogProbs(Event(update.Choice, delta), tokens);
            tokens = [];
        }

        // Tokens whose text is held back still have their place in the stream.
        if (update.Text.Content.Length > 0 || tokens.Count > 0)
        {
            yield return WithLogProbs(Event(update.Choice, new JsonObject { ["content"] = update.Text.Content }), tokens);
        }
    }

    protected override JsonObject Closing(int index) => Event(index, []);

    protected override JsonObject Choice(int index, SplitText text, IReadOnlyList<TokenEvent>? tokens, bool includesReasoning)
    {
        var message = new JsonObject { ["role"] = "assistant", ["content"] = text.Content.Length > 0 ? text.Content : null };
        if (text.Reasoning.Length > 0 && includesReasoning)
        {
            ReplyJson.AddReasoning(message, text.Reasoning);
        }
        else
        {
            message["content"] = text.Content;
        }

        return new JsonObject
        {
            ["index"] = index,
            ["message"] = message,
            ["logprobs"] = tokens is null ? null : ReplyJson.LogProbs(Model.Tokenizer, tokens),
        };
    }

    private static JsonObject Event(int index, JsonObject delta) =>
        new() { ["index"] = index, ["delta"] = delta, ["logprobs"] = null, ["finish_reason"] = null };

    private JsonObject WithLogProbs(JsonObject choice, IReadOnlyList<TokenEvent> tokens)
    {
        if (tokens.Count > 0)
        {
            choice["logprobs"] = ReplyJson.LogProbs(Model.Tokenizer, tokens);
        }

        return choice;
    }
}

/// <summary>Answers of <c>/v1/completions</c>.</summary>
internal sealed class TextAnswer(ChatModel model) : CompletionAnswer(model, "cmpl-")
{
    protected override string DocumentKind => "text_completion";

    protected override string EventKind => "text_completion";

    protected override string InputField => "prompt";

    protected override JsonObject? Opening(int index) => null;

    protected override IEnumerable<JsonObject> Pieces(ChatUpdate update, bool includesReasoning)
    {
        if (update.Text.Content.Length > 0 || update.Tokens.Count > 0)
        {
            yield return Choice(update.Choice, update.Text, update.Tokens.Count > 0 ? update.Tokens : null, includesReasoning);
        }
    }

    protected override JsonObject Closing(int index) => Choice(index, SplitText.None, null, includesReasoning: false);

    protected override JsonObject Choice(int index, SplitText text, IReadOnlyList<TokenEvent>? tokens, bool includesReasoning) => new()
    {
        ["index"] = index,
        ["text"] = text.Content,
        ["logprobs"] = tokens is null ? null : ReplyJson.CompletionLogProbs(Model.Tokenizer, tokens),
        ["finish_reason"] = null,
    };
}
