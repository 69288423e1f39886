using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Serving.Protocol;

/// <summary>The <c>messages</c> of a request, checked and in the form that templates take.</summary>
internal static class MessageReader
{
    /// <summary>Most messages of a conversation.</summary>
    public const int MostMessages = 2048;

    private const int MostParts = 256;
    private static readonly string[] Roles = ["system", "developer", "user", "assistant", "tool"];

    public static IReadOnlyList<JsonObject> Read(RequestFields request)
    {
        var items = request.List("messages", MostMessages);
        return items.Count > 0
            ? [.. items.Select((item, i) => ReadMessage(request, item, i))]
            : throw request.Fault("messages", "at least one message");
    }

    private static JsonObject ReadMessage(RequestFields request, JsonElement item, int index)
    {
        string path = $"messages[{index}]";
        if (item.ValueKind != JsonValueKind.Object)
        {
            throw request.Fault(path, item, "an object");
        }

        var fields = new RequestFields(item, path + ".");
        string role = fields.Text("role") ?? throw fields.Fault("role", "a role");
        if (!Roles.Contains(role))
        {
            throw fields.Fault("role", string.Join(", ", Roles));
        }

        bool mayBeEmpty = role == "assistant";
        string content = ReadContent(fields) ?? (mayBeEmpty ? string.Empty : throw fields.Fault("content", "a string or a list of text parts"));
        var message = new JsonObject { ["role"] = role == "developer" ? "system" : role, ["content"] = content };
        foreach (string name in (string[])["name", "tool_call_id"])
        {
            if (fields.Text(name) is { } text)
            {
                message[name] = text;
            }
        }

        // Two names are in use for the same thing; the template is given both.
        if ((fields.Text("reasoning_content") ?? fields.Text("reasoning")) is { } reasoning)
        {
            message["reasoning_content"] = reasoning;
        }

        if (fields.List("tool_calls", MostParts) is { Count: > 0 } calls)
        {
            message["tool_calls"] = new JsonArray([.. calls.Select(call => (JsonNode)ReadCall(fields, call))]);
        }

        return message;
    }

    private static string? ReadContent(RequestFields fields)
    {
        if (fields.Get("content") is not { } content)
        {
            return null;
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            return content.ValueKind == JsonValueKind.String
                ? fields.ToText("content", content)
                : throw fields.Fault("content", "a string or a list of text parts");
        }

        var text = new StringBuilder();
        foreach (var part in fields.List("content", MostParts))
        {
            if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("type", out var type)
                || type.ValueKind != JsonValueKind.String || !type.ValueEquals("text"u8) || !part.TryGetProperty("text", out var value))
            {
                throw fields.Fault("content", part, "parts of type text; this server takes no images, sound or files");
            }

            text.Append(fields.ToText("content", value));
        }

        return text.ToString();
    }

    private static JsonObject ReadCall(RequestFields fields, JsonElement call) =>
        call.ValueKind == JsonValueKind.Object ? JsonObject.Create(call)! : throw fields.Fault("tool_calls", call, "a list of objects");
}
