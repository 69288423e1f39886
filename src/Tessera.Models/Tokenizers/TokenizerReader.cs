using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>Reads and checks a tokenizer.json, version 1.0.</summary>
internal static class TokenizerReader
{
    private const int DepthLimit = 32;
    private const int ContentLimit = 4096;
    private const int TemplateLimit = 1024;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = DepthLimit, AllowDuplicateProperties = false };

    /// <summary>Reads a file's bytes; <paramref name="path"/> is its name for messages.</summary>
    public static TokenizerParts Read(string path, ReadOnlyMemory<byte> bytes)
    {
        ReadOnlyMemory<byte> text = bytes.Span.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
        try
        {
            var tables = BpeTables.Scan(path, text, DepthLimit);
            using var document = JsonDocument.Parse(tables.Rest, Options);
            return Read(new FileField(path, "", document.RootElement), tables);
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException(
                $"{path}: the document is not valid JSON of at most {DepthLimit} levels without repeated fields "
                + $"(line {problem.LineNumber + 1}, byte {problem.BytePositionInLine}).",
                problem);
        }
        catch (InvalidOperationException problem)
        {
            throw new InvalidDataException($"{path}: the document holds a field name that is not valid Unicode.", problem);
        }
    }

    private static TokenizerParts Read(FileField root, BpeTables tables)
    {
        FileField version = root.Required("version");
        if (version.Text() != "1.0")
        {
            throw version.Error($"is '{FileField.Shorten(version.Text())}', but only 1.0 is known");
        }

        foreach (string name in (string[])["truncation", "padding"])
        {
            if (root.Optional(name) is { } setting && setting.Element.ValueKind != JsonValueKind.Object)
            {
                throw setting.Error("is neither null nor an object");
            }
        }

        TextNormalizer? normalizer = ComponentReader.Normalizer(root.Optional("normalizer"));
        List<PreTokenizerStep> steps = ComponentReader.PreTokenizer(root.Optional("pre_tokenizer"));
        BpeModel model = BpeReader.Read(root.Required("model"), tables, steps.Count > 0 && steps[^1].MapsBytes);
        List<AddedToken> added = ReadAddedTokens(root.Optional("added_tokens"), model, tables);
        int highest = Math.Max(tables.HighestId, added.Select(token => token.Id).DefaultIfEmpty(-1).Max());
        var prefix = new List<int>();
        var suffix = new List<int>();
        if (root.Optional("post_processor") is { } processor)
        {
            AddTemplates(processor, highest, prefix, suffix);
        }

        return new TokenizerParts(
            model, normalizer, steps, ComponentReader.Decoder(root.Optional("decoder")), added, [.. prefix], [.. suffix]);
    }

    // The id in the file is only checked: as in the reference library a token has the id that its content has in the
    // vocabulary, or else the next free one.
    private static List<AddedToken> ReadAddedTokens(FileField? field, BpeModel model, BpeTables tables)
    {
        var tokens = new List<AddedToken>();
        var byContent = new Dictionary<string, AddedToken>();
        var fileIds = new Dictionary<int, string>();
        int next = model.Vocabulary.Count;
        foreach (FileField item in field?.Items() ?? [])
        {
            FileField contentField = item.Required("content");
            string content = contentField.Text();
            int fileId = item.Required("id").Number(BpeReader.IdLimit - 1);
            if (content.Length > ContentLimit)
            {
                throw contentField.Error($"has {content.Length} units, more than the {ContentLimit} that an added token may have");
            }

            if (!fileIds.TryAdd(fileId, content) && fileIds[fileId] != content)
            {
                throw item.Error($"has the id {fileId}, which '{FileField.Shorten(fileIds[fileId])}' has too");
            }

            bool special = item.FlagOr("special", false);
            int id = byContent.TryGetValue(content, out AddedToken? earlier) ? earlier.Id
                : model.Vocabulary.TryGetValue(content, out int known) ? known : next;
            var token = new AddedToken(content, id)
            {
                SingleWord = item.FlagOr("single_word", false),
                StripsLeft = item.FlagOr("lstrip", false),
                StripsRight = item.FlagOr("rstrip", false),
                Normalized = item.FlagOr("normalized", !special),
                Special = special,
            };
            if (earlier is not null && earlier != token)
            {
                throw item.Error($"repeats the token '{FileField.Shorten(content)}' with other settings");
            }

            if (content.Length > 0 && byContent.TryAdd(content, token))
            {
                if (id == next && tables.HasId(id) && !model.Vocabulary.ContainsKey(content))
                {
                    throw item.Error($"is a new token, but the next id, {id}, belongs to another token of model.vocab");
                }

                tokens.Add(token);
                next = Math.Max(next, id + 1);
            }
        }

        return tokens;
    }

    private static void AddTemplates(FileField field, int highestId, List<int> prefix, List<int> suffix)
    {
        string type = field.Required("type").Text();
        switch (type)
        {
            case "Sequence":
                foreach (FileField item in field.Required("processors").Items())
                {
                    AddTemplates(item, highestId, prefix, suffix);
                }

                break;
            case "ByteLevel":
                // Moves offsets only, which are not kept here.
                break;
            case "TemplateProcessing":
                AddTemplate(field, highestId, prefix, suffix);
                break;
            default:
                throw field.Error($"has the type '{FileField.Shorten(type)}', which is not supported; "
                    + "known are Sequence, ByteLevel and TemplateProcessing");
        }
    }

    // The template "single": tokens, the text as sequence A, tokens. A later template stands outside an earlier one.
    private static void AddTemplate(FileField field, int highestId, List<int> prefix, List<int> suffix)
    {
        FileField single = field.Required("single");
        var before = new List<int>();
        bool textSeen = false;
        foreach (FileField item in single.Items())
        {
            if (item.Optional("Sequence") is { } sequence)
            {
                if (textSeen || sequence.Required("id").Text() != "A")
                {
                    throw item.Error("is a second sequence, but a template for one text holds the sequence A once");
                }

                textSeen = true;
                continue;
            }

            string name = item.Required("SpecialToken").Required("id").Text();
            foreach (FileField id in field.Required("special_tokens").Required(name).Required("ids").Items())
            {
                (textSeen ? suffix : before).Add(id.Number(highestId));
            }
        }

        if (!textSeen)
        {
            throw single.Error("has no sequence A");
        }

        prefix.InsertRange(0, before);
        if (prefix.Count + suffix.Count > TemplateLimit)
        {
            throw single.Error($"adds more than {TemplateLimit} tokens");
        }
    }
}
