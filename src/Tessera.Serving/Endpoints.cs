using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Tessera.Inference.Chat;
using Tessera.Serving.Protocol;

namespace Tessera.Serving;

/// <summary>What the server answers to each path.</summary>
/// <param name="engine">Gives the replies.</param>
/// <param name="mostBodyBytes">Largest body of a request.</param>
/// <param name="log">Where ignored fields and failures are told.</param>
/// <param name="stopping">Cancelled when running requests have to end.</param>
internal sealed class Endpoints(ChatEngine engine, long mostBodyBytes, ILogger log, CancellationToken stopping)
{
    private const int LoggedNames = 10;
    private const int LoggedCharacters = 60;

    private readonly long _started = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    public async Task ChatAsync(HttpContext context)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        using var body = await BodyReader.ReadAsync(context.Request, mostBodyBytes, ends.Token);
        var request = ChatRequestReader.Read(body.RootElement, engine.Model.Name);
        TellIgnored(request);
        await new ChatAnswer(engine.Model).WriteAsync(
            context.Response, engine, engine.Prepare(request.Chat), request, ends.Token);
    }

    public async Task CompleteAsync(HttpContext context)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        using var body = await BodyReader.ReadAsync(context.Request, mostBodyBytes, ends.Token);
        var (request, text, ids) = ChatRequestReader.ReadCompletion(body.RootElement, engine.Model.Name);
        TellIgnored(request);
        var prompt = ids ?? engine.Model.Tokenizer.Encode(text!, addSpecialTokens: true);
        await new TextAnswer(engine.Model).WriteAsync(
            context.Response, engine, engine.Prepare(prompt, request.Chat, splitsReasoning: false), request, ends.Token);
    }

    public Task ModelsAsync(HttpContext context) => EventStream.WriteDocumentAsync(
        context.Response, StatusCodes.Status200OK,
        new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray(new JsonObject
            {
                ["id"] = engine.Model.Name,
                ["object"] = "model",
                ["created"] = _started,
                ["owned_by"] = "tessera",
                ["root"] = engine.Model.Name,
                ["parent"] = null,
                ["max_model_len"] = engine.Engine.Capacity,
            }),
        },
        context.RequestAborted);

    public Task HealthAsync(HttpContext context)
    {
        context.Response.StatusCode = engine.Engine.Failure is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return Task.CompletedTask;
    }

    /// <summary>Turns a failure into an error in OpenAI's form, unless the answer has begun or nobody listens.</summary>
    public async Task FailAsync(HttpContext context, Exception error)
    {
        if (context.RequestAborted.IsCancellationRequested || context.Response.HasStarted)
        {
            return;
        }

        bool isChat = context.Request.Path.Value?.Contains("chat", StringComparison.Ordinal) == true;
        var answer = ApiException.From(error, isChat ? "messages" : "prompt");
        if (answer.Status >= StatusCodes.Status500InternalServerError)
        {
            log.LogError(error, "{Method} {Path}: {Status}", context.Request.Method, context.Request.Path, answer.Status);
        }

        if (answer.Code == "engine_overloaded")
        {
            context.Response.Headers.RetryAfter = "1";
        }

        await EventStream.WriteDocumentAsync(context.Response, answer.Status, answer.ToJson(), context.RequestAborted);
    }

    private static string Printable(string name) =>
        new([.. name.Take(LoggedCharacters).Select(character => char.IsControl(character) ? ' ' : character)]);

    private void TellIgnored(ApiRequest request)
    {
        if (request.Ignored.Count > 0)
        {
            // Names come from strangers: few of them, short, and no control characters of theirs in our log.
            string names = string.Join(", ", request.Ignored.Take(LoggedNames).Select(Printable));
            log.LogInformation("ignored fields of a request: {Names}", names);
        }
    }
}
