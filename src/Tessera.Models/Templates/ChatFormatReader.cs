using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Models.Configuration;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Templates;

/// <summary>Reads the files of a model folder that concern prompts, or a template's own file.</summary>
internal static class ChatFormatReader
{
    private const string ConfigurationFile = "tokenizer_config.json";
    private const string DefaultName = "default";
    private const string ToolName = "tool_use";
    private const int MostNames = 8;

    private static readonly string[] TokenNames =
    [
        "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
    ];

    public static ChatFormat? Read(string folder, string? templateFile)
    {
        if (File.Exists(folder))
        {
            return ChatFormat.Of(ChatTemplate.Parse(ReadText(folder), folder));
        }

        var tokens = new JsonObject();
        string map = Path.Combine(folder, "special_tokens_map.json");
        if (File.Exists(map))
        {
            using JsonDocument document = JsonFile.Load(map);
            ReadTokens(new FileField(map, string.Empty, document.RootElement), tokens);
        }

        var templates = new Dictionary<string, ChatTemplate>();
        string configuration = Path.Combine(folder, ConfigurationFile);
        string separate = templateFile ?? Path.Combine(folder, ChatFormat.TemplateName);
        bool isSeparate = templateFile is not null || File.Exists(separate);
        if (File.Exists(configuration))
        {
            using JsonDocument document = JsonFile.Load(configuration);
            var root = new FileField(configuration, string.Empty, document.RootElement);
            ReadTokens(root, tokens);
            if (!isSeparate && root.Optional("chat_template") is { } field)
            {
                ReadTemplates(field, templates);
            }
        }

        if (isSeparate)
        {
            templates[DefaultName] = ChatTemplate.Parse(ReadText(separate), separate);
        }

        if (templates.Count == 0)
        {
            return null;
        }

        ChatTemplate? chosen = templates.GetValueOrDefault(DefaultName) ?? (templates.Count == 1 ? templates.Values.First() : null);
        return chosen is null
            ? throw new InvalidDataException(
                $"{configuration}: chat_template has {string.Join(", ", templates.Keys.Take(MostNames).Select(FileField.Shorten))}, expected one named '{DefaultName}'")
            : new ChatFormat(chosen, templates.GetValueOrDefault(ToolName), tokens);
    }

    /// <summary>A template's source from a file of its own.</summary>
    private static string ReadText(string path)
    {
        long most = new TemplateLimits().MaxSourceLength * 4L;
        if (new FileInfo(path).Length is var length && length > most)
        {
            throw new InvalidDataException($"{path}: the file has {length} bytes, expected at most {most}");
        }

        try
        {
            string text = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path));
            return text.StartsWith('\uFEFF') ? text[1..] : text;
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"{path}: the file is not valid UTF-8");
        }
    }

    private static void ReadTokens(FileField root, JsonObject tokens)
    {
        foreach (string name in TokenNames)
        {
            if (root.Optional(name) is { } field)
            {
                tokens[name] = field.Element.ValueKind == JsonValueKind.Object ? field.Required("content").Text() : field.Text();
            }
        }
    }

    private static void ReadTemplates(FileField field, Dictionary<string, ChatTemplate> templates)
    {
        if (field.Element.ValueKind == JsonValueKind.String)
        {
            templates[DefaultName] = ChatTemplate.Parse(field.Text(), $"{field.File}: chat_template");
            return;
        }

        foreach (FileField item in field.Items())
        {
            string name = item.Required("name").Text();
            templates[name] = ChatTemplate.Parse(item.Required("template").Text(), $"{field.File}: chat_template '{FileField.Shorten(name)}'");
        }
    }
}
