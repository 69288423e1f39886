using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Models.Templates;

/// <summary>Says in a conversation whether to reason, in the way that its template understands.</summary>
/// <remarks>
/// Llama-Nemotron's first generation and our own models read the system text, exactly <c>detailed thinking on</c> or
/// <c>detailed thinking off</c> (arXiv:2505.00949); other instructions belong into the user's message. Later templates have a
/// variable <c>enable_thinking</c>, or take <c>/think</c> and <c>/no_think</c> out of the system text.
/// </remarks>
public static class ThinkingSwitch
{
    /// <summary>The variable that templates of other families read as their switch.</summary>
    public const string Variable = "enable_thinking";

    private const string OnText = "detailed thinking on";
    private const string OffText = "detailed thinking off";

    /// <summary>The system message's text.</summary>
    public static string Text(bool on) => on ? OnText : OffText;

    /// <summary>
    /// The conversation and the variables with the switch set; unchanged where the messages set it themselves. Where the system text
    /// is the switch, instructions that stood there go to the front of the first user's turn.
    /// </summary>
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

        bool hasSystem = messages.Count > 0 && TextOf(messages[0]["role"]) == "system";
        string system = (hasSystem ? TextOf(messages[0]["content"]) : null) ?? string.Empty;
        var rest = messages.Skip(hasSystem ? 1 : 0);
        if (template.Contains("/no_think", StringComparison.Ordinal))
        {
            bool isSet = system.Contains("/think", StringComparison.Ordinal) || system.Contains("/no_think", StringComparison.Ordinal);
            string mark = thinks ? "/think" : "/no_think";
            return isSet ? (messages, variables) : ([System(system.Length == 0 ? mark : $"{system} {mark}"), .. rest], variables);
        }

        return system.Trim() is OnText or OffText
            ? (messages, variables)
            : ([System(Text(thinks)), .. WithInstructions(system, rest)], variables);
    }

    private static IEnumerable<JsonObject> WithInstructions(string instructions, IEnumerable<JsonObject> messages)
    {
        foreach (var message in messages)
        {
            if (string.IsNullOrWhiteSpace(instructions) || TextOf(message["role"]) != "user")
            {
                yield return message;
                continue;
            }

            var changed = (JsonObject)message.DeepClone();
            changed["content"] = $"{instructions}\n\n{TextOf(message["content"])}";
            instructions = string.Empty;
            yield return changed;
        }

        if (!string.IsNullOrWhiteSpace(instructions))
        {
            // No user's turn to put them into: they become one.
            yield return new JsonObject { ["role"] = "user", ["content"] = instructions };
        }
    }

    private static JsonObject System(string text) => new() { ["role"] = "system", ["content"] = text };

    private static string? TextOf(JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;
}
