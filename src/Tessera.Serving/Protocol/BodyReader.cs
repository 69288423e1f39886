using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Tessera.Serving.Protocol;

/// <summary>The body of a request as a JSON object, within limits.</summary>
internal static class BodyReader
{
    /// <summary>Deepest nesting of a body.</summary>
    public const int MostDepth = 32;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MostDepth, AllowDuplicateProperties = false };

    public static async Task<JsonDocument> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        // A page of another site can send any other type without the browser asking us first.
        if (!request.HasJsonContentType())
        {
            throw new ApiException(
                StatusCodes.Status415UnsupportedMediaType, "Content-Type is not application/json", "Content-Type");
        }

        try
        {
            var document = await JsonDocument.ParseAsync(request.Body, Options, cancellation);
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
}
