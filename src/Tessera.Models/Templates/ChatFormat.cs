using System.Text.Json.Nodes;
using Tessera.Models.Gguf;

namespace Tessera.Models.Templates;

/// <summary>What a model folder says about its prompts: template and special tokens. Safe for any number of threads.</summary>
public sealed class ChatFormat
{
    /// <summary>The file of a model folder that holds its template.</summary>
    public const string TemplateName = "chat_template.jinja";

    private readonly ChatTemplate? _forTools;
    private readonly JsonObject _specialTokens;

    internal ChatFormat(ChatTemplate template, ChatTemplate? forTools, JsonObject specialTokens)
    {
        Template = template;
        _forTools = forTools;
        _specialTokens = specialTokens;
    }

    /// <summary>The template of conversations; where the folder names several, the one called <c>default</c>.</summary>
    public ChatTemplate Template { get; }

    /// <summary>A copy of the special tokens that the template may read: <c>bos_token</c>, <c>eos_token</c> and others.</summary>
    public JsonObject SpecialTokens => (JsonObject)_specialTokens.DeepClone();

    /// <summary>
    /// Reads <c>chat_template.jinja</c>, or <c>chat_template</c> of <c>tokenizer_config.json</c>, and the special tokens of
    /// <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c>, of which the first wins.
    /// </summary>
    /// <param name="folder">A model folder, a GGUF file, or the file of a template, which comes without special tokens.</param>
    /// <param name="templateFile">A template to be used instead of the folder's, or null.</param>
    /// <returns>The format, or null where there is no template.</returns>
    /// <exception cref="InvalidDataException">A file is broken; the message names file and field.</exception>
    /// <exception cref="TemplateException">The template is malformed.</exception>
    public static ChatFormat? Load(string folder, string? templateFile = null) =>
        GgufModel.IsNamed(folder) ? GgufTokenizer.LoadFormat(folder, templateFile) : ChatFormatReader.Read(folder, templateFile);

    /// <summary>A format for a template that comes without a folder.</summary>
    /// <param name="template">The template.</param>
    /// <param name="specialTokens">Tokens by name, such as <c>bos_token</c>; null for none.</param>
    public static ChatFormat Of(ChatTemplate template, JsonObject? specialTokens = null) =>
        new(template, null, (JsonObject?)specialTokens?.DeepClone() ?? []);

    /// <summary>The same special tokens with another template.</summary>
    public ChatFormat With(ChatTemplate template) => new(template, null, _specialTokens);

    /// <summary>The same template with more special tokens, for names that the folder does not give.</summary>
    public ChatFormat WithFallback(JsonObject specialTokens)
    {
        JsonObject merged = SpecialTokens;
        foreach ((string name, JsonNode? value) in specialTokens.Where(entry => !merged.ContainsKey(entry.Key)).ToList())
        {
            merged[name] = value?.DeepClone();
        }

        return new ChatFormat(Template, _forTools, merged);
    }

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">
    /// Messages in OpenAI's form. Null counts as absent (as empty text for <c>content</c>), <c>arguments</c> given as the JSON text of
    /// an object become that object, and <c>reasoning</c> and <c>reasoning_content</c> stand for each other. Nothing is changed.
    /// </param>
    /// <param name="options">What else the prompt holds.</param>
    /// <returns>The prompt; special tokens are part of the text.</returns>
    /// <exception cref="TemplateException">The template refuses the conversation, or went beyond a limit.</exception>
    public string Render(IReadOnlyList<JsonObject> messages, ChatRenderOptions options) =>
        TemplateFor(options).Render(Variables(messages, options), options.Now);

    /// <summary>As <see cref="Render"/>, with start and length of what stands inside of <c>{% generation %}</c> blocks.</summary>
    /// <param name="messages">Messages in OpenAI's form.</param>
    /// <param name="options">What else the prompt holds.</param>
    /// <exception cref="TemplateException">The template refuses the conversation, or went beyond a limit.</exception>
    public (string Text, IReadOnlyList<(int Start, int Length)> Spans) RenderWithGenerationSpans(
        IReadOnlyList<JsonObject> messages, ChatRenderOptions options) =>
        TemplateFor(options).RenderWithGenerationSpans(Variables(messages, options), options.Now);

    private static bool HasTools(ChatRenderOptions options) => options.Tools is { Count: > 0 };

    private ChatTemplate TemplateFor(ChatRenderOptions options) => HasTools(options) && _forTools is not null ? _forTools : Template;

    private JsonObject Variables(IReadOnlyList<JsonObject> messages, ChatRenderOptions options)
    {
        JsonObject variables = SpecialTokens;
        foreach ((string name, JsonNode? value) in options.Variables ?? [])
        {
            variables[name] = value?.DeepClone();
        }

        variables["messages"] = new JsonArray([.. messages.Select(ChatMessages.Normalize)]);
        variables["tools"] = HasTools(options) ? options.Tools!.DeepClone() : null;
        variables["documents"] = options.Documents?.DeepClone();
        variables["add_generation_prompt"] = options.AddGenerationPrompt;
        return variables;
    }
}
