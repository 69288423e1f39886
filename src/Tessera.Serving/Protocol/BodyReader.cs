using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Tessera.Serving.Protocol;

/// <summary>The body of a request as a JSON object, within limits.</summary>
internal static class BodyReader
{
    /// <summary>Deepest nesting of a body.</summary>
    public const int MostDepth = 32;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MostDepth, AllowDuplicateProperties = false };

    /// <summary>Reads the body; the server itself drains what is left of one that is too large, so that its sender sees the answer.</summary>
    public static async Task<JsonDocument> ReadAsync(HttpRequest request, long mostBytes, CancellationToken cancellation)
    {
        // A page of another site can send any other type without the browser asking us first.
        if (!request.HasJsonContentType())
        {
            throw new ApiException(
                StatusCodes.Status415UnsupportedMediaType, "Content-Type is not application/json", "Content-Type");
        }

        try
        {
            var document = JsonDocument.Parse(await BytesAsync(request, mostBytes, cancellation), Options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document
                : throw new ApiException(StatusCodes.Status400BadRequest, "the body is not a JSON object");
        }
        catch (JsonException error)
        {
            string what = error.Message.Contains("uplicate", StringComparison.Ordinal) ? "has a key twice"
                : error.Message.Contains("depth", StringComparison.Ordinal) ? $"is nested deeper than {MostDepth}"
                : "is not valid JSON";
            throw new ApiException(
                StatusCodes.Status400BadRequest,
                $"the body {what} at line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}", code: "invalid_json");
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(StatusCodes.Status400BadRequest, "the body holds text that is not valid Unicode", code: "invalid_json");
        }
    }

    private static async Task<ReadOnlyMemory<byte>> BytesAsync(HttpRequest request, long mostBytes, CancellationToken cancellation)
    {
        RequireSize(request.ContentLength ?? 0);
        using var bytes = new MemoryStream();
        byte[] part = new byte[1 << 16];
        for (int count; (count = await request.Body.ReadAsync(part, cancellation)) > 0;)
        {
            RequireSize(bytes.Length + count);
            await bytes.WriteAsync(part.AsMemory(0, count), cancellation);
        }

        return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);

        void RequireSize(long size)
        {
            if (size > mostBytes)
            {
                throw new ApiException(
                    StatusCodes.Status413PayloadTooLarge, $"the body is larger than the {mostBytes} bytes that this server takes",
                    code: "request_too_large");
            }
        }
    }
}
