using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Models.Templates;

/// <summary>
/// The reasoning switch of the Llama-Nemotron models: a system message that is exactly <c>detailed thinking on</c> or
/// <c>detailed thinking off</c> (Llama-Nemotron report, arXiv:2505.00949); other instructions belong into the user's message.
/// </summary>
public static class ThinkingSwitch
{
    /// <summary>The variable that templates of other families read as their switch.</summary>
    public const string Variable = "enable_thinking";

    private const string OnText = "detailed thinking on";
    private const string OffText = "detailed thinking off";

    /// <summary>The system message's text.</summary>
    public static string Text(bool on) => on ? OnText : OffText;

    /// <summary>A conversation with the switch set: as a new first message, or in place of a system message that is a switch.</summary>
    /// <param name="messages">Messages in OpenAI's form; they are not changed.</param>
    /// <param name="on">Whether the model is to reason.</param>
    /// <exception cref="ArgumentException">The conversation begins with a system message of other content.</exception>
    public static IReadOnlyList<JsonObject> Set(IReadOnlyList<JsonObject> messages, bool on)
    {
        bool hasSystem = messages.Count > 0 && TextOf(messages[0]["role"]) == "system";
        if (hasSystem && TextOf(messages[0]["content"])?.Trim() is not (OnText or OffText))
        {
            throw new ArgumentException(
                "the conversation has a system message of its own, so the switch 'detailed thinking' has no place; move its text into the user's message");
        }

        return [new JsonObject { ["role"] = "system", ["content"] = Text(on) }, .. messages.Skip(hasSystem ? 1 : 0)];
    }

    private static string? TextOf(JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;
}
