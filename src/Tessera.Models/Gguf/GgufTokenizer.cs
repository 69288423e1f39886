using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Gguf;

/// <summary>A GGUF file's tokenizer and chat format, and both as the files of a model folder.</summary>
internal static class GgufTokenizer
{
    private const string Json = "tokenizer.json";
    private const string Pieces = "tokenizer.model";
    private const string Configuration = "tokenizer_config.json";

    private static readonly JsonWriterOptions Options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The tokenizer, or null where the file has none.</summary>
    /// <exception cref="InvalidDataException">The vocabulary is broken or of a kind that is not supported.</exception>
    public static Tokenizer? Load(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        return GgufVocabulary.Read(file) is { } vocabulary ? Create(vocabulary) : null;
    }

    /// <summary>How conversations are written, or null where neither the file nor the caller gives a template.</summary>
    public static ChatFormat? LoadFormat(string path, string? templateFile)
    {
        using GgufFile file = GgufFile.Open(path);
        GgufVocabulary? vocabulary = GgufVocabulary.Read(file);
        ChatTemplate? template = templateFile is not null ? ChatFormat.Load(templateFile)?.Template
            : vocabulary?.Template is { } source ? ChatTemplate.Parse(source, $"{path}: {GgufVocabulary.TemplateKey}") : null;
        return template is null ? null : ChatFormat.Of(template, vocabulary?.SpecialTexts());
    }

    /// <summary>What stands beside the weights in a folder of the same model, by file name.</summary>
    public static IReadOnlyDictionary<string, byte[]> CompanionFiles(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        if (GgufVocabulary.Read(file) is { } vocabulary)
        {
            if (vocabulary.IsPieces)
            {
                files[Pieces] = SentencePieceWriter.Write(vocabulary.Pieces, vocabulary.PieceOptions, vocabulary.Special);
            }
            else
            {
                files[Json] = ToJson(vocabulary);
            }

            files[Configuration] = ToConfiguration(vocabulary);
        }

        return files;
    }

    private static Tokenizer Create(GgufVocabulary vocabulary)
    {
        string source = $"{vocabulary.File}: {GgufVocabulary.Prefix[..^1]}";
        return vocabulary.IsPieces
            ? Tokenizer.FromSentencePieces(source, vocabulary.Pieces, vocabulary.PieceOptions)
            : Tokenizer.FromJson(source, ToJson(vocabulary));
    }

    private static byte[] ToJson(GgufVocabulary vocabulary)
    {
        string name = vocabulary.PreTokenizer ?? "default";
        GgufPreTokenizer pre = GgufPreTokenizer.Named(name) ?? throw new InvalidDataException(
            $"{vocabulary.File}: {GgufVocabulary.Prefix}pre is '{FileField.Shorten(name)}', expected one of "
            + string.Join(", ", GgufPreTokenizer.All.SelectMany(known => known.Names)));
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            WriteAddedTokens(json, vocabulary);
            WriteNormalizer(json, pre);
            pre.Write(json);
            WriteTemplate(json, vocabulary, vocabulary.AddsBegin ?? pre.AddsBegin);
            json.WriteStartObject("decoder");
            GgufPreTokenizer.WriteByteLevel(json, usePattern: true);
            json.WriteEndObject();
            WriteModel(json, vocabulary, pre);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static bool IsAdded(GgufVocabulary vocabulary, int id) =>
        vocabulary.Types[id] is GgufVocabulary.Control or GgufVocabulary.UserDefined or GgufVocabulary.Unknown;

    // Added tokens keep their ids by standing behind the vocabulary without gaps, as published files have them. Where they stand
    // elsewhere they are part of it as well. Unused tokens at the end are filling only.
    private static int PlainCount(GgufVocabulary vocabulary)
    {
        int end = UsedCount(vocabulary);
        while (end > 0 && IsAdded(vocabulary, end - 1))
        {
            end--;
        }

        return Enumerable.Range(0, end).Any(id => IsAdded(vocabulary, id)) ? UsedCount(vocabulary) : end;
    }

    private static int UsedCount(GgufVocabulary vocabulary) => Array.FindLastIndex(vocabulary.Types, type => type != GgufVocabulary.Unused) + 1;

    private static void WriteAddedTokens(Utf8JsonWriter json, GgufVocabulary vocabulary)
    {
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < vocabulary.Tokens.Length; id++)
        {
            if (IsAdded(vocabulary, id))
            {
                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteString("content", vocabulary.Tokens[id]);
                foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"])
                {
                    json.WriteBoolean(flag, false);
                }

                json.WriteBoolean("special", vocabulary.Types[id] != GgufVocabulary.UserDefined);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteNormalizer(Utf8JsonWriter json, GgufPreTokenizer pre)
    {
        if (pre.IsComposed)
        {
            json.WriteStartObject("normalizer");
            json.WriteString("type", "NFC");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("normalizer");
        }
    }

    private static void WriteTemplate(Utf8JsonWriter json, GgufVocabulary vocabulary, bool addsBegin)
    {
        bool hasBegin = vocabulary.Special.TryGetValue("bos_token", out int begin), hasEnd = vocabulary.Special.TryGetValue("eos_token", out int end);
        List<int> around = [.. addsBegin && hasBegin ? (int[])[begin] : [], .. vocabulary.AddsEnd && hasEnd ? (int[])[end] : []];
        if (around.Count == 0)
        {
            json.WriteNull("post_processor");
            return;
        }

        json.WriteStartObject("post_processor");
        json.WriteString("type", "TemplateProcessing");
        foreach (string form in (string[])["single", "pair"])
        {
            json.WriteStartArray(form);
            foreach (string text in form == "single" ? (string[])["A"] : ["A", "B"])
            {
                WriteTemplateText(json, vocabulary, text, addsBegin && hasBegin ? begin : null, vocabulary.AddsEnd && hasEnd ? end : null);
            }

            json.WriteEndArray();
        }

        json.WriteStartObject("special_tokens");
        foreach (int id in around.Distinct())
        {
            string token = vocabulary.Tokens[id];
            json.WriteStartObject(token);
            json.WriteString("id", token);
            json.WriteStartArray("ids");
            json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartArray("tokens");
            json.WriteStringValue(token);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTemplateText(Utf8JsonWriter json, GgufVocabulary vocabulary, string text, int? begin, int? end)
    {
        int type = text == "A" ? 0 : 1;
        foreach (var (kind, id) in ((string, string?)[])
            [("SpecialToken", begin is { } b ? vocabulary.Tokens[b] : null), ("Sequence", text), ("SpecialToken", end is { } e ? vocabulary.Tokens[e] : null)])
        {
            if (id is not null)
            {
                json.WriteStartObject();
                json.WriteStartObject(kind);
                json.WriteString("id", id);
                json.WriteNumber("type_id", type);
                json.WriteEndObject();
                json.WriteEndObject();
            }
        }
    }

    private static void WriteModel(Utf8JsonWriter json, GgufVocabulary vocabulary, GgufPreTokenizer pre)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (string absent in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"])
        {
            json.WriteNull(absent);
        }

        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", pre.IgnoresMerges);
        json.WriteStartObject("vocab");
        int count = PlainCount(vocabulary);
        for (int id = 0; id < count; id++)
        {
            json.WriteNumber(vocabulary.Tokens[id], id);
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (string merge in vocabulary.Merges)
        {
            json.WriteStringValue(merge);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static byte[] ToConfiguration(GgufVocabulary vocabulary)
    {
        JsonObject root = vocabulary.SpecialTexts();
        root["add_bos_token"] = vocabulary.AddsBegin
            ?? (vocabulary.IsPieces || (GgufPreTokenizer.Named(vocabulary.PreTokenizer ?? "default")?.AddsBegin ?? false));
        root["add_eos_token"] = vocabulary.AddsEnd;
        root["tokenizer_class"] = vocabulary.IsPieces ? "LlamaTokenizer" : "PreTrainedTokenizerFast";
        if (vocabulary.Template is { } template)
        {
            root["chat_template"] = template;
        }

        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            root.WriteTo(json);
        }

        return buffer.ToArray();
    }
}
