using System.Text.Json;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Gguf;

/// <summary>Writes the tokenizer of a model folder as entries under <c>tokenizer.ggml</c>.</summary>
public static class GgufVocabularyWriter
{
    /// <summary>What adds the entries; null where the folder has no tokenizer or GGUF no name for its rules, which a note then says.</summary>
    /// <param name="folder">A model folder.</param>
    /// <param name="model">Its configuration.</param>
    /// <param name="notes">Takes a sentence where the vocabulary is left out.</param>
    /// <exception cref="InvalidDataException">A file is broken; the message names it.</exception>
    public static Action<GgufMetadata>? For(string folder, ModelConfiguration model, ICollection<string> notes)
    {
        string path = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(path))
        {
            notes.Add($"{folder} has no tokenizer.json: the file has no vocabulary");
            return null;
        }

        Tokenizer tokenizer = Tokenizer.Load(path);
        if (tokenizer.VocabularySize > model.VocabularySize)
        {
            throw new InvalidDataException($"{path}: the tokenizer has {tokenizer.VocabularySize} ids, the model only {model.VocabularySize}");
        }

        // Checked by the tokenizer's own reader just before.
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        if (GgufPreTokenizer.Of(document.RootElement) is not { } pre)
        {
            notes.Add($"{path}: gguf has no name for the way in which the tokenizer cuts text: the file has no vocabulary");
            return null;
        }

        string[] merges = [.. Merges(document.RootElement)];
        int[] ends = [.. StopTokens.Read(folder, model)];
        string? template = ChatFormat.Load(folder)?.Template.Source;
        return metadata => Add(metadata, tokenizer, pre, merges, model, ends, template);
    }

    private static void Add(
        GgufMetadata metadata, Tokenizer tokenizer, GgufPreTokenizer pre, string[] merges, ModelConfiguration model, int[] ends, string? template)
    {
        metadata.Add(GgufVocabulary.Prefix + "model", "gpt2");
        metadata.Add(GgufVocabulary.Prefix + "pre", pre.Names[0]);
        AddTokens(metadata, tokenizer, model.VocabularySize);
        metadata.Add(GgufVocabulary.Prefix + "merges", merges);
        AddSpecial(metadata, tokenizer, model, ends);
        if (template is not null)
        {
            metadata.Add(GgufVocabulary.TemplateKey, template);
        }
    }

    // Readers take the number of tokens for the number of rows, so rows without a token get a name that no text is.
    private static void AddTokens(GgufMetadata metadata, Tokenizer tokenizer, int count)
    {
        var texts = new string[count];
        var types = new int[count];
        for (int id = 0; id < count; id++)
        {
            string? text = tokenizer.TokenText(id);
            texts[id] = text ?? $"[PAD{id}]";
            types[id] = text is null ? GgufVocabulary.Unused
                : tokenizer.IsSpecial(id) ? GgufVocabulary.Control
                : tokenizer.IsAdded(id) ? GgufVocabulary.UserDefined : GgufVocabulary.Normal;
        }

        metadata.Add(GgufVocabulary.Prefix + "tokens", texts);
        metadata.Add(GgufVocabulary.Prefix + "token_type", types);
    }

    private static void AddSpecial(GgufMetadata metadata, Tokenizer tokenizer, ModelConfiguration model, int[] ends)
    {
        if (model.BosTokenId is { } begin)
        {
            metadata.Add(GgufVocabulary.Prefix + "bos_token_id", begin);
            metadata.Add(GgufVocabulary.Prefix + "add_bos_token", tokenizer.PrefixIds.Contains(begin));
        }
        else
        {
            metadata.Add(GgufVocabulary.Prefix + "add_bos_token", false);
        }

        // The form has three names for tokens that end something: a text, a turn, a message.
        foreach (var (name, id) in ((string[])["eos", "eot", "eom"]).Zip(ends))
        {
            metadata.Add($"{GgufVocabulary.Prefix}{name}_token_id", id);
        }
    }

    private static IEnumerable<string> Merges(JsonElement tokenizer)
    {
        foreach (JsonElement merge in tokenizer.GetProperty("model").GetProperty("merges").EnumerateArray())
        {
            string text = merge.ValueKind == JsonValueKind.String ? merge.GetString()! : $"{merge[0].GetString()} {merge[1].GetString()}";
            if (!text.StartsWith("#version", StringComparison.Ordinal))
            {
                yield return text;
            }
        }
    }
}
