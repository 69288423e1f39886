using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Tessera.Serving.Protocol;

/// <summary>Answers: one JSON document, or server-sent events.</summary>
internal static class EventStream
{
    // Text stays readable on the wire; it is JSON in a body of its own, never inside a page.
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Task WriteDocumentAsync(HttpResponse response, int status, JsonObject document, CancellationToken cancellation)
    {
        response.StatusCode = status;
        response.ContentType = "application/json";
        return response.WriteAsync(document.ToJsonString(Options), cancellation);
    }

    /// <summary>Starts a stream of events; nothing may be written before.</summary>
    public static void Begin(HttpResponse response)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";

        // Reverse proxies would otherwise collect the events.
        response.Headers["X-Accel-Buffering"] = "no";
    }

    public static async Task SendAsync(HttpResponse response, JsonObject data, CancellationToken cancellation)
    {
        await response.WriteAsync($"data: {data.ToJsonString(Options)}\n\n", Encoding.UTF8, cancellation);
        await response.Body.FlushAsync(cancellation);
    }

    public static async Task EndAsync(HttpResponse response, CancellationToken cancellation)
    {
        await response.WriteAsync("data: [DONE]\n\n", Encoding.UTF8, cancellation);
        await response.Body.FlushAsync(cancellation);
    }
}
