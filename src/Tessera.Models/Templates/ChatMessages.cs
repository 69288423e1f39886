using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Models.Templates;

/// <summary>Brings messages in OpenAI's form into the form that templates are written for; the originals are left as they are.</summary>
internal static class ChatMessages
{
    /// <summary>
    /// A copy in which keys with null are dropped, but content is an empty string; an empty list of tool calls is dropped; arguments
    /// of tool calls that are JSON text of an object become that object; <c>reasoning</c> and <c>reasoning_content</c> are both set
    /// where one is.
    /// </summary>
    public static JsonObject Normalize(JsonObject message)
    {
        var copy = new JsonObject();
        foreach ((string name, JsonNode? value) in message)
        {
            switch (name)
            {
                case "content":
                    copy[name] = value?.DeepClone() ?? JsonValue.Create(string.Empty);
                    break;
                case "tool_calls" when value is JsonArray calls:
                    if (calls.Count > 0)
                    {
                        copy[name] = new JsonArray([.. calls.Select(NormalizeCall)]);
                    }

                    break;
                default:
                    if (value is not null)
                    {
                        copy[name] = value.DeepClone();
                    }

                    break;
            }
        }

        if (!copy.ContainsKey("content") && IsAssistant(copy))
        {
            copy["content"] = string.Empty;
        }

        Share(copy, "reasoning", "reasoning_content");
        Share(copy, "reasoning_content", "reasoning");
        return copy;
    }

    private static bool IsAssistant(JsonObject message) =>
        message["role"] is JsonValue role && role.GetValueKind() == JsonValueKind.String && role.GetValue<string>() == "assistant";

    private static void Share(JsonObject message, string from, string to)
    {
        if (message[from] is { } value && !message.ContainsKey(to))
        {
            message[to] = value.DeepClone();
        }
    }

    private static JsonNode? NormalizeCall(JsonNode? call)
    {
        if (call is not JsonObject members)
        {
            return call?.DeepClone();
        }

        JsonObject copy = WithoutNulls(members);
        if (copy["function"] is JsonObject function)
        {
            JsonObject normalized = WithoutNulls(function);
            normalized["arguments"] = Parsed(normalized["arguments"]);
            if (normalized["arguments"] is null)
            {
                normalized.Remove("arguments");
            }

            copy["function"] = normalized;
        }

        return copy;
    }

    private static JsonObject WithoutNulls(JsonObject source)
    {
        var copy = new JsonObject();
        foreach ((string name, JsonNode? value) in source)
        {
            if (value is not null)
            {
                copy[name] = value.DeepClone();
            }
        }

        return copy;
    }

    /// <summary>The object that a string is the JSON of; otherwise the value as it is.</summary>
    private static JsonNode? Parsed(JsonNode? arguments)
    {
        if (arguments is not JsonValue value || value.GetValueKind() != JsonValueKind.String)
        {
            return arguments?.DeepClone();
        }

        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            return JsonNode.Parse(value.GetValue<string>(), nodeOptions: null, options) as JsonObject ?? arguments.DeepClone();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return arguments.DeepClone();
        }
    }
}
