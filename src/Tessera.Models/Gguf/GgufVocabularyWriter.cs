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
        if (Tokenizer.Find(folder) is not { } path)
        {
            notes.Add($"{folder} has no tokenizer: the file has no vocabulary");
            return null;
        }

        Tokenizer tokenizer = Tokenizer.Load(path);
        if (tokenizer.VocabularySize > model.VocabularySize)
        {
            throw new InvalidDataException($"{path}: the tokenizer has {tokenizer.VocabularySize} ids, the model only {model.VocabularySize}");
        }

        int[] ends = [.. StopTokens.Read(folder, model)];
        string? template = ChatFormat.Load(folder)?.Template.Source;
        if (Rules(path, tokenizer) is not { } rules)
        {
            notes.Add($"{path}: gguf has no name for the way in which the tokenizer cuts or changes text: the file has no vocabulary");
            return null;
        }

        return metadata =>
        {
            rules(metadata, model.VocabularySize);
            AddSpecial(metadata, model, ends, BeginTokens.Of(tokenizer, model, folder));
            if (template is not null)
            {
                metadata.Add(GgufVocabulary.TemplateKey, template);
            }
        };
    }

    /// <summary>What adds tokens and rules for a number of rows; null where the form has no name for the rules.</summary>
    private static Action<GgufMetadata, int>? Rules(string path, Tokenizer tokenizer)
    {
        ReadOnlyMemory<byte> bytes = TokenizerFile.ReadBytes(path);
        if (Path.GetFileName(path).StartsWith("tokenizer.json", StringComparison.Ordinal))
        {
            // Checked by the tokenizer's own reader just before.
            using JsonDocument document = JsonDocument.Parse(bytes);
            if (GgufPreTokenizer.Of(document.RootElement) is { } pre)
            {
                string[] merges = [.. Merges(document.RootElement)];
                return (metadata, rows) => AddPairs(metadata, tokenizer, pre, merges, rows);
            }

            return PiecesOfJson.Read(document.RootElement, tokenizer, [.. Merges(document.RootElement)]) is var (found, settings)
                ? (metadata, rows) => AddPieces(metadata, found, settings, rows)
                : null;
        }

        if (!Path.GetFileName(path).StartsWith("tokenizer.model", StringComparison.Ordinal) || RankFileReader.Recognises(bytes.Span))
        {
            return null;
        }

        var (pieces, options) = SentencePieceReader.ReadVocabulary(path, bytes);
        return options.CharacterMap.IsEmpty && options.EscapeWhitespaces ? (metadata, rows) => AddPieces(metadata, pieces, options, rows) : null;
    }

    private static void AddPairs(GgufMetadata metadata, Tokenizer tokenizer, GgufPreTokenizer pre, string[] merges, int rows)
    {
        metadata.Add(GgufVocabulary.Prefix + "model", "gpt2");
        metadata.Add(GgufVocabulary.Prefix + "pre", pre.Names[0]);
        AddTokens(metadata, tokenizer, rows);
        metadata.Add(GgufVocabulary.Prefix + "merges", merges);
    }

    private static void AddPieces(GgufMetadata metadata, IReadOnlyList<SentencePiece> pieces, SentencePieceOptions options, int rows)
    {
        SentencePiece[] all = [.. pieces, .. Enumerable.Range(pieces.Count, rows - pieces.Count).Select(id => new SentencePiece(Filling(id), 0, SentencePieceType.Unused))];
        metadata.Add(GgufVocabulary.Prefix + "model", "llama");
        metadata.Add(GgufVocabulary.Prefix + "pre", "default");
        metadata.Add(GgufVocabulary.Prefix + "tokens", [.. all.Select(piece => piece.Text)]);
        metadata.Add(GgufVocabulary.Prefix + "scores", [.. all.Select(piece => piece.Score)]);
        metadata.Add(GgufVocabulary.Prefix + "token_type", [.. all.Select(piece => (int)piece.Type)]);
        metadata.Add(GgufVocabulary.Prefix + "add_space_prefix", options.AddDummyPrefix);
        metadata.Add(GgufVocabulary.Prefix + "remove_extra_whitespaces", options.RemoveExtraWhitespaces);
        int unknown = Array.FindIndex(all, piece => piece.Type == SentencePieceType.Unknown);
        if (unknown >= 0)
        {
            metadata.Add(GgufVocabulary.Prefix + "unknown_token_id", unknown);
        }
    }

    private static string Filling(int id) => $"[PAD{id}]";

    // Readers take the number of tokens for the number of rows, so rows without a token get a name that no text is.
    private static void AddTokens(GgufMetadata metadata, Tokenizer tokenizer, int count)
    {
        var texts = new string[count];
        var types = new int[count];
        for (int id = 0; id < count; id++)
        {
            string? text = tokenizer.TokenText(id);
            texts[id] = text ?? Filling(id);
            types[id] = text is null ? GgufVocabulary.Unused
                : tokenizer.IsSpecial(id) ? GgufVocabulary.Control
                : tokenizer.IsAdded(id) ? GgufVocabulary.UserDefined : GgufVocabulary.Normal;
        }

        metadata.Add(GgufVocabulary.Prefix + "tokens", texts);
        metadata.Add(GgufVocabulary.Prefix + "token_type", types);
    }

    private static void AddSpecial(GgufMetadata metadata, ModelConfiguration model, int[] ends, IReadOnlyList<int> begins)
    {
        if (model.BosTokenId is { } begin)
        {
            metadata.Add(GgufVocabulary.Prefix + "bos_token_id", begin);
            metadata.Add(GgufVocabulary.Prefix + "add_bos_token", begins.Contains(begin));
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
