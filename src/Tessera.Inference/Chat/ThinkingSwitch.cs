using System.Text.Json.Nodes;

namespace Tessera.Inference.Chat;

/// <summary>Says in a conversation whether to think, in the way that its template understands.</summary>
/// <remarks>
/// Llama-Nemotron's first generation, and our own models, read the system text: exactly <see cref="On"/> or <see cref="Off"/>,
/// with every other instruction in the user's turn. Later templates have a variable <c>enable_thinking</c>, or take
/// <c>/think</c> and <c>/no_think</c> out of the system text.
/// </remarks>
public static class ThinkingSwitch
{
    /// <summary>System text of a model that shall think.</summary>
    public const string On = "detailed thinking on";

    /// <summary>System text of a model that shall not.</summary>
    public const string Off = "detailed thinking off";

    private const string Variable = "enable_thinking";

    /// <summary>The conversation and the variables with the switch set; unchanged where the messages set it themselves.</summary>
    /// <param name="template">The template's source.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="variables">Further variables, or null.</param>
    /// <param name="thinking">Whether to think; null changes nothing.</param>
    public static (IReadOnlyList<JsonObject> Messages, JsonObject? Variables) Apply(
        string template, IReadOnlyList<JsonObject> messages, JsonObject? variables, bool? thinking)
    {
        if (thinking is not { } thinks)
        {
            return (messages, variables);
        }

        if (template.Contains(Variable, StringComparison.Ordinal))
        {
            var set = (JsonObject?)variables?.DeepClone() ?? [];
            set[Variable] = thinks;
            return (messages, set);
        }

        bool hasSystem = messages.Count > 0 && Role(messages[0]) == "system";
        string system = hasSystem ? Text(messages[0]) : string.Empty;
        var rest = messages.Skip(hasSystem ? 1 : 0);
        if (template.Contains("/no_think", StringComparison.Ordinal))
        {
            bool isSet = system.Contains("/think", StringComparison.Ordinal) || system.Contains("/no_think", StringComparison.Ordinal);
            string mark = thinks ? "/think" : "/no_think";
            return isSet ? (messages, variables) : ([System(system.Length == 0 ? mark : $"{system} {mark}"), .. rest], variables);
        }

        return system.Trim() is On or Off
            ? (messages, variables)
            : ([System(thinks ? On : Off), .. WithInstructions(system, rest)], variables);
    }

    private static IEnumerable<JsonObject> WithInstructions(string instructions, IEnumerable<JsonObject> messages)
    {
        foreach (var message in messages)
        {
            if (string.IsNullOrWhiteSpace(instructions) || Role(message) != "user")
            {
                yield return message;
                continue;
            }

            var changed = (JsonObject)message.DeepClone();
            changed["content"] = $"{instructions}\n\n{Text(message)}";
            instructions = string.Empty;
            yield return changed;
        }
    }

    private static JsonObject System(string text) => new() { ["role"] = "system", ["content"] = text };

    private static string Role(JsonObject message) => AsText(message["role"]);

    private static string Text(JsonObject message) => AsText(message["content"]);

    private static string AsText(JsonNode? node) =>
        node is JsonValue value && value.TryGetValue(out string? text) ? text : string.Empty;
}
