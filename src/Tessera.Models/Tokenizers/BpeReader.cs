using System.Text;
using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>Reads the field <c>model</c> of a tokenizer.json: a byte-pair vocabulary with its merges.</summary>
internal static class BpeReader
{
    /// <summary>Ids are below this, so that tables indexed by id stay small; the largest published vocabulary has 2¹⁸ tokens.</summary>
    public const int IdLimit = 1 << 22;

    /// <summary>The model; <paramref name="mapsBytes"/> comes from the pre-tokenizer.</summary>
    public static BpeModel Read(FileField model, BpeTables tables, bool mapsBytes)
    {
        // Old files leave the type out.
        if (model.Optional("type") is { } type && type.Text() != "BPE")
        {
            throw type.Error($"is '{FileField.Shorten(type.Text())}', which is not supported; only BPE is");
        }

        RefuseUnsupported(model);
        FileField vocabulary = model.Required("vocab"), merges = model.Required("merges");
        if (!tables.HasVocabulary)
        {
            throw vocabulary.Error("is not an object of tokens and ids");
        }

        return new BpeModel(tables.Ids, tables.Merges ?? throw merges.Error("is not an array"), new BpeOptions
        {
            MapsBytes = mapsBytes,
            IgnoreMerges = model.FlagOr("ignore_merges", false),
            ByteFallback = model.FlagOr("byte_fallback", false),
            FuseUnknown = model.FlagOr("fuse_unk", false),
            UnknownId = ReadUnknown(model, tables.Ids),
        });
    }

    /// <summary>A vocab.json.</summary>
    public static Dictionary<string, int> ReadVocabularyFile(string file, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return BpeTables.OfVocabulary(file, bytes).Ids;
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException(
                $"{file}: the document is not valid JSON (line {problem.LineNumber + 1}, byte {problem.BytePositionInLine}).", problem);
        }
    }

    /// <summary>A merges.txt.</summary>
    public static MergeTable ReadMergesFile(string file, ReadOnlyMemory<byte> bytes, Dictionary<string, int> ids)
    {
        if (!System.Text.Unicode.Utf8.IsValid(bytes.Span))
        {
            throw new InvalidDataException($"{file}: the document is not UTF-8.");
        }

        ReadOnlySpan<byte> rest = bytes.Span;
        var builder = new MergeBuilder(file, "lines", ids, rest.Count((byte)'\n') + 1);
        char[] text = new char[256];
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? rest : rest[..end]).TrimEnd((byte)'\r');
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line.Length > text.Length)
            {
                text = new char[line.Length];
            }

            if (!line.IsEmpty)
            {
                builder.AddLine(text.AsSpan(0, Encoding.UTF8.GetChars(line, text)));
            }
        }

        return builder.Table;
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
}
