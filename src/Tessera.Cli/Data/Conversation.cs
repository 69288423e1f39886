using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Models.Templates;

namespace Tessera.Cli.Data;

/// <summary>
/// A conversation as files hold them: a JSON list of messages, or an object with <c>messages</c>, <c>tools</c>, <c>documents</c>,
/// <c>add_generation_prompt</c> and further variables of the template.
/// </summary>
internal sealed record Conversation
{
    private const int DeepestJson = 128;

    private string File { get; init; } = string.Empty;

    public required IReadOnlyList<JsonObject> Messages { get; init; }

    private JsonObject Rest { get; init; } = [];

    /// <summary>Reads a conversation, and its tools from a file of their own where one is named.</summary>
    public static Conversation Read(string path, string? toolsPath)
    {
        JsonNode? root = ParseFile(path);
        var rest = root as JsonObject ?? [];
        JsonNode? messages = root is JsonObject ? rest["messages"] : root;
        if (messages is not JsonArray list || list.Any(message => message is not JsonObject))
        {
            throw new InvalidDataException($"{path}: expected a list of messages, or an object with one under 'messages'");
        }

        if (toolsPath is not null)
        {
            rest["tools"] = ParseFile(toolsPath) as JsonArray ?? throw new InvalidDataException($"{toolsPath}: expected a list of tools");
        }

        return new Conversation { File = path, Messages = [.. list.Select(message => (JsonObject)message!)], Rest = rest };
    }

    /// <summary>JSON from a stranger: no key twice, no deep nesting.</summary>
    public static JsonNode? Parse(ReadOnlyMemory<byte> bytes, string where)
    {
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = DeepestJson, AllowDuplicateProperties = false };
            return JsonNode.Parse(bytes.Span.StartsWith("\uFEFF"u8) ? bytes.Span[3..] : bytes.Span, nodeOptions: null, options);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException(
                $"{where} is not {(error.Message.Contains("uplicate", StringComparison.Ordinal) ? "JSON without a key twice" : "JSON")}");
        }
    }

    /// <summary>The same with the reasoning switch set, in the way that the template understands.</summary>
    public Conversation WithThinking(ChatTemplate template, bool on)
    {
        var (messages, variables) = ThinkingSwitch.Apply(template.Source, Messages, Rest, on);
        return this with { Messages = messages, Rest = variables ?? [] };
    }

    /// <summary>What the file says besides messages.</summary>
    /// <param name="addGenerationPrompt">Wins over the file; where neither says, the prompt ends with the beginning of the answer.</param>
    public ChatRenderOptions Options(bool? addGenerationPrompt)
    {
        string[] known = ["messages", "tools", "documents", "add_generation_prompt"];
        var variables = Rest.Where(pair => !known.Contains(pair.Key)).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()));
        return new ChatRenderOptions
        {
            AddGenerationPrompt = addGenerationPrompt ?? Flag("add_generation_prompt") ?? true,
            Tools = List("tools"),
            Documents = List("documents"),
            Variables = new JsonObject(variables),
        };
    }

    private static JsonNode? ParseFile(string path) => System.IO.File.Exists(path)
        ? Parse(System.IO.File.ReadAllBytes(path), path + ": the file")
        : throw new InvalidDataException($"{path}: no such file");

    private bool? Flag(string name) => Rest[name] is not { } value ? null
        : value.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? value.GetValue<bool>()
        : throw new InvalidDataException($"{File}: {name} is not true or false");

    private JsonArray? List(string name) => Rest[name] is not { } value ? null
        : value as JsonArray ?? throw new InvalidDataException($"{File}: {name} is not a list");
}
