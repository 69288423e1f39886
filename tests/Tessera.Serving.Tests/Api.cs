using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Serving.Tests;

/// <summary>Plain HTTP against a server.</summary>
internal static class Api
{
    public const string Chat = "/v1/chat/completions";

    /// <summary>A request for a reply to a short question, with a seed that does not draw an end token, and further fields.</summary>
    public static JsonObject Ask(params (string Name, JsonNode? Value)[] fields)
    {
        var body = new JsonObject
        {
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "47+85" }),
            ["max_tokens"] = 8,
            ["seed"] = 4,
        };
        foreach (var (name, value) in fields)
        {
            body[name] = value;
        }

        return body;
    }

    public static async Task<JsonElement> Good(HttpClient http, JsonObject body, string path = Chat)
    {
        using var response = await http.PostAsJsonAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonDocument.Parse(text).RootElement;
    }

    /// <summary>The error of a request that is refused.</summary>
    public static async Task<JsonElement> Refused(HttpClient http, int status, string body, string path = Chat)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await http.PostAsync(path, content);
        return await Error(response, status);
    }

    public static async Task<JsonElement> Error(HttpResponseMessage response, int status)
    {
        string text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        var error = JsonDocument.Parse(text).RootElement.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(field => field.Name));
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
        Assert.Equal(status >= 500 ? "server_error" : "invalid_request_error", error.GetProperty("type").GetString());
        return error;
    }

    /// <summary>The events of a stream as they are on the wire, without <c>data: </c>.</summary>
    public static async Task<List<string>> Events(HttpClient http, JsonObject body, string path = Chat)
    {
        using var response = await http.PostAsJsonAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        Assert.EndsWith("\n\n", text);
        string[] events = text[..^2].Split("\n\n");
        Assert.All(events, data => Assert.StartsWith("data: ", data));
        return [.. events.Select(data => data["data: ".Length..])];
    }
}
