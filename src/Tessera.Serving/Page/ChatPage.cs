using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Tessera.Serving.Page;

/// <summary>The page to chat on: one embedded document with its own style and script, which may load nothing else.</summary>
internal static partial class ChatPage
{
    private static readonly byte[] Document = Read();
    private static readonly string Policy = BuildPolicy(Encoding.UTF8.GetString(Document));

    public static async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers.CacheControl = "no-cache";
        await response.Body.WriteAsync(Document, context.RequestAborted);
    }

    private static byte[] Read()
    {
        using var stream = typeof(ChatPage).Assembly.GetManifestResourceStream("chat.html")!;
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    /// <summary>Allows exactly the style and the script inside the document, by their hashes.</summary>
    private static string BuildPolicy(string document) =>
        $"default-src 'none'; style-src {Source(Style().Match(document))}; script-src {Source(Script().Match(document))}; "
        + "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static string Source(Match element) =>
        $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(element.Groups[1].Value)))}'";

    [GeneratedRegex("<style>(.*?)</style>", RegexOptions.Singleline)]
    private static partial Regex Style();

    [GeneratedRegex("<script>(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex Script();
}
