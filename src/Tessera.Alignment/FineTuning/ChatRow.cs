using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tessera.Alignment.FineTuning;

/// <summary>A conversation to learn from: a row with <c>messages</c> in OpenAI's form.</summary>
/// <param name="Messages">The turns, in order; at least one is the assistant's.</param>
/// <param name="Source">Where it comes from, for messages about it.</param>
public sealed record ChatRow(IReadOnlyList<JsonObject> Messages, string Source)
{
    private const int MostMessages = 1000;
    private const int LongestShown = 40;
    private static readonly string[] Roles = ["system", "developer", "user", "assistant", "tool"];

    /// <summary>Variables of the template, such as a switch; null for none.</summary>
    public JsonObject? Variables { get; init; }

    /// <summary>The rows of a JSON-lines file.</summary>
    /// <exception cref="InvalidDataException">A line is no row; one sentence with file, line and field.</exception>
    public static IEnumerable<ChatRow> Read(string path)
    {
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
            {
                yield return Parse(line, $"{path}: line {number}");
            }
        }
    }

    /// <summary>One row.</summary>
    /// <param name="json">An object with <c>messages</c>; other fields are left alone.</param>
    /// <param name="source">Where it comes from.</param>
    /// <exception cref="InvalidDataException">It is no row; one sentence.</exception>
    public static ChatRow Parse(string json, string source)
    {
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(json, nodeOptions: null, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{source}: not a JSON object without a key twice");
        }

        EnsureUnicode(node, source);

        if (node is not JsonObject row || row["messages"] is not JsonArray messages)
        {
            throw new InvalidDataException($"{source}: field 'messages' is missing, expected a list of turns with role and content");
        }

        if (messages.Count is 0 or > MostMessages)
        {
            throw new InvalidDataException($"{source}: field 'messages' holds {messages.Count} turns, expected 1 to {MostMessages}");
        }

        var turns = new JsonObject[messages.Count];
        for (int i = 0; i < turns.Length; i++)
        {
            turns[i] = Turn(messages[i], $"{source}: messages[{i}]");
        }

        return turns.Any(IsAssistant)
            ? new ChatRow(turns, source)
            : throw new InvalidDataException($"{source}: field 'messages' has no turn of the assistant, so there is nothing to learn");
    }

    /// <summary>Whether a turn is the assistant's.</summary>
    public static bool IsAssistant(JsonObject turn) => (string?)turn["role"] == "assistant";

    // A node decodes its text when it is asked for, which would be in the middle of rendering.
    private static void EnsureUnicode(JsonNode? node, string source)
    {
        switch (node)
        {
            case JsonObject item:
                foreach (var (_, value) in item)
                {
                    EnsureUnicode(value, source);
                }

                break;
            case JsonArray list:
                foreach (JsonNode? value in list)
                {
                    EnsureUnicode(value, source);
                }

                break;
            case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                try
                {
                    _ = value.GetValue<string>();
                }
                catch (InvalidOperationException)
                {
                    throw new InvalidDataException($"{source}: a string is not valid Unicode");
                }

                break;
        }
    }

    private static string Shown(string name) => JsonEncodedText.Encode(name.Length <= LongestShown ? name : name[..LongestShown]).ToString();

    private static JsonObject Turn(JsonNode? node, string source)
    {
        if (node is not JsonObject turn || turn["role"] is not JsonValue role || !role.TryGetValue(out string? name))
        {
            throw new InvalidDataException($"{source}: expected an object with a role");
        }

        if (!Roles.Contains(name))
        {
            throw new InvalidDataException($"{source}: role is '{Shown(name)}', expected one of {string.Join(", ", Roles)}");
        }

        bool hasText = turn["content"] is JsonValue content && content.TryGetValue(out string? _);
        return hasText || turn["tool_calls"] is JsonArray
            ? turn
            : throw new InvalidDataException($"{source}: content is not text");
    }
}
