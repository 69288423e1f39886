using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>Reads the field <c>model</c> of a tokenizer.json: a byte-pair vocabulary with its merges.</summary>
internal static class BpeReader
{
    /// <summary>Ids are below this, so that tables indexed by id stay small; the largest published vocabulary has 2¹⁸ tokens.</summary>
    public const int IdLimit = 1 << 22;

    /// <summary>The model; <paramref name="mapsBytes"/> comes from the pre-tokenizer.</summary>
    public static BpeModel Read(FileField model, bool mapsBytes)
    {
        // Old files leave the type out.
        if (model.Optional("type") is { } type && type.Text() != "BPE")
        {
            throw type.Error($"is '{FileField.Shorten(type.Text())}', which is not supported; only BPE is");
        }

        RefuseUnsupported(model);
        Dictionary<string, int> ids = ReadVocabulary(model.Required("vocab"));
        MergeTable merges = ReadMerges(model.Required("merges"), ids);
        return new BpeModel(ids, merges, new BpeOptions
        {
            MapsBytes = mapsBytes,
            IgnoreMerges = model.FlagOr("ignore_merges", false),
            ByteFallback = model.FlagOr("byte_fallback", false),
            FuseUnknown = model.FlagOr("fuse_unk", false),
            UnknownId = ReadUnknown(model, ids),
        });
    }

    private static void RefuseUnsupported(FileField model)
    {
        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Optional(name) is { } affix && affix.Text().Length > 0)
            {
                throw affix.Error("is not empty, which is not supported");
            }
        }

        if (model.Optional("dropout") is { } dropout
            && (dropout.Element.ValueKind != JsonValueKind.Number || dropout.Element.GetDouble() != 0))
        {
            throw dropout.Error("is not 0, but encoding at random is not supported");
        }
    }

    private static int ReadUnknown(FileField model, Dictionary<string, int> ids)
    {
        if (model.Optional("unk_token") is not { } unknown)
        {
            return -1;
        }

        return ids.TryGetValue(unknown.Text(), out int id)
            ? id
            : throw unknown.Error($"'{FileField.Shorten(unknown.Text())}' is not in model.vocab");
    }

    private static Dictionary<string, int> ReadVocabulary(FileField vocabulary)
    {
        if (vocabulary.Element.ValueKind != JsonValueKind.Object)
        {
            throw vocabulary.Error("is not an object of tokens and ids");
        }

        var ids = new Dictionary<string, int>(vocabulary.Element.GetPropertyCount());
        var taken = new System.Collections.BitArray(vocabulary.Element.GetPropertyCount());
        foreach (JsonProperty property in vocabulary.Element.EnumerateObject())
        {
            string token = NameOf(property, vocabulary);
            if (property.Value.ValueKind != JsonValueKind.Number || !property.Value.TryGetInt32(out int id) || id < 0 || id >= IdLimit)
            {
                throw vocabulary.Error(
                    $"gives '{FileField.Shorten(token)}' the id {FileField.Shorten(property.Value.GetRawText())}, "
                    + $"not an integer from 0 to {IdLimit - 1}");
            }

            if (!ids.TryAdd(token, id))
            {
                throw vocabulary.Error($"holds the token '{FileField.Shorten(token)}' twice");
            }

            taken.Length = Math.Max(taken.Length, id + 1);
            if (taken[id])
            {
                throw vocabulary.Error($"gives the id {id} to '{FileField.Shorten(token)}' and to another token");
            }

            taken[id] = true;
        }

        return ids;
    }

    private static string NameOf(JsonProperty property, FileField vocabulary)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw vocabulary.Error("holds a token that is not valid Unicode");
        }
    }

    private static MergeTable ReadMerges(FileField merges, Dictionary<string, int> ids)
    {
        if (merges.Element.ValueKind != JsonValueKind.Array)
        {
            throw merges.Error("is not an array");
        }

        var table = new MergeTable(merges.Element.GetArrayLength());
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        int index = 0;
        foreach (JsonElement element in merges.Element.EnumerateArray())
        {
            string? whole = element.ValueKind == JsonValueKind.String ? TextAt(element, merges, index) : null;
            index++;
            if (whole is not null && whole.StartsWith("#version", StringComparison.Ordinal))
            {
                continue;
            }

            (string joined, int split) = whole is null ? Pair(element, merges, index - 1) : Legacy(whole, merges, index - 1);
            int left = Find(lookup, joined.AsSpan(0, split), merges, index - 1);
            int right = Find(lookup, joined.AsSpan(split), merges, index - 1);
            table.Add(left, right, Find(lookup, joined, merges, index - 1));
        }

        return table;
    }

    // "a b": the parts are joined, and where the first ends is told.
    private static (string Joined, int Split) Legacy(string whole, FileField merges, int index)
    {
        int space = whole.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && space < whole.Length - 1 && whole.IndexOf(' ', space + 1) < 0
            ? (whole.Remove(space, 1), space)
            : throw At(merges, index).Error($"is '{FileField.Shorten(whole)}', not two tokens with one space between");
    }

    private static (string Joined, int Split) Pair(JsonElement element, FileField merges, int index)
    {
        if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() != 2
            || element[0].ValueKind != JsonValueKind.String || element[1].ValueKind != JsonValueKind.String)
        {
            throw At(merges, index).Error("is neither a string nor a pair of strings");
        }

        string left = TextAt(element[0], merges, index);
        return (left + TextAt(element[1], merges, index), left.Length);
    }

    private static string TextAt(JsonElement element, FileField merges, int index) =>
        new FileField(merges.File, merges.Path, element) is var field && field.Element.ValueKind == JsonValueKind.String
            ? field.Text()
            : throw At(merges, index).Error("is not a string");

    private static int Find(
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup, ReadOnlySpan<char> token, FileField merges, int index) =>
        lookup.TryGetValue(token, out int id)
            ? id
            : throw At(merges, index).Error($"needs the token '{FileField.Shorten(token.ToString())}', which is not in model.vocab");

    private static FileField At(FileField merges, int index) => new(merges.File, $"{merges.Path}[{index}]", merges.Element);
}
