using System.Text.Json;

namespace Tessera.Models.Gguf;

/// <summary>
/// How text is cut before byte pairs are merged: GGUF files hold a name for it (<c>tokenizer.ggml.pre</c>), tokenizer.json the patterns.
/// </summary>
/// <param name="Names">The name that is written, then others that mean the same.</param>
/// <param name="Patterns">Regular expressions whose matches are cut out, one after the other.</param>
/// <param name="HasBytePattern">Whether GPT-2's own pattern follows.</param>
/// <param name="IgnoresMerges">Whether a piece that is a token is that token, whatever the merges say.</param>
/// <param name="IsComposed">Whether text is brought into composed form (NFC) first.</param>
/// <param name="AddsBegin">Whether the token for the beginning is put in front where the file does not say.</param>
internal sealed record GgufPreTokenizer(
    string[] Names, string[] Patterns, bool HasBytePattern, bool IgnoresMerges = false, bool IsComposed = false, bool AddsBegin = false)
{
    private const string Start = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    private const string End = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string ThreeDigits = Start + @"\p{N}{1,3}" + End;
    private const string OneDigit = Start + @"\p{N}" + End;

    /// <summary>All that are known. Files without a name, and those named default, hold vocabularies of GPT-2's kind.</summary>
    public static IReadOnlyList<GgufPreTokenizer> All { get; } =
    [
        new(["llama-bpe", "llama3", "llama-v3"], [ThreeDigits], false, IgnoresMerges: true, AddsBegin: true),
        new(["dbrx", "smaug-bpe"], [ThreeDigits], false),
        new(["qwen2", "deepseek-r1-qwen"], [OneDigit], false, IsComposed: true),
        new(["gpt-2", "default"], [], true),
        new(["starcoder", "refact", "command-r", "smollm"], [@"\p{N}"], true),
        new(
            ["deepseek-v3"],
            [
                @"\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                + "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
            ],
            false),
    ];

    /// <summary>The one of a name, or null.</summary>
    public static GgufPreTokenizer? Named(string name) => All.FirstOrDefault(known => known.Names.Contains(name));

    /// <summary>The one that a tokenizer.json describes, or null where none does.</summary>
    public static GgufPreTokenizer? Of(JsonElement tokenizer)
    {
        if (!tokenizer.TryGetProperty("pre_tokenizer", out JsonElement step) || step.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var patterns = new List<string>();
        bool? usesPattern = null;
        foreach (JsonElement item in Steps(step))
        {
            if (Type(item) == "ByteLevel")
            {
                usesPattern = !item.TryGetProperty("use_regex", out JsonElement flag) || flag.ValueKind != JsonValueKind.False;
                if (item.TryGetProperty("add_prefix_space", out JsonElement prefix) && prefix.ValueKind == JsonValueKind.True)
                {
                    return null;
                }
            }
            else if (Type(item) == "Split" && usesPattern is null && item.TryGetProperty("pattern", out JsonElement pattern)
                && pattern.TryGetProperty("Regex", out JsonElement regex))
            {
                patterns.Add(regex.GetString()!);
            }
            else
            {
                return null;
            }
        }

        bool ignores = tokenizer.GetProperty("model").TryGetProperty("ignore_merges", out JsonElement ignored) && ignored.ValueKind == JsonValueKind.True;
        return All.FirstOrDefault(known =>
            known.HasBytePattern == usesPattern && known.IgnoresMerges == ignores && known.Patterns.SequenceEqual(patterns));
    }

    /// <summary>Writes the part of a tokenizer.json.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (string pattern in Patterns)
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", pattern);
            json.WriteEndObject();
            json.WriteString("behavior", "Isolated");
            json.WriteBoolean("invert", false);
            json.WriteEndObject();
        }

        json.WriteStartObject();
        WriteByteLevel(json, HasBytePattern);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The fields of a step that maps bytes.</summary>
    public static void WriteByteLevel(Utf8JsonWriter json, bool usePattern)
    {
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", usePattern);
    }

    private static IEnumerable<JsonElement> Steps(JsonElement step) =>
        Type(step) == "Sequence" && step.TryGetProperty("pretokenizers", out JsonElement items) ? items.EnumerateArray() : [step];

    private static string? Type(JsonElement step) => step.TryGetProperty("type", out JsonElement type) ? type.GetString() : null;
}
