using System.Text.Json.Nodes;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Gguf;

/// <summary>The tokens and rules under <c>tokenizer.ggml</c> of a file's metadata, checked.</summary>
/// <remarks>
/// Token types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. Kinds: <c>gpt2</c> has merges of byte-level tokens,
/// <c>llama</c> has scores of SentencePiece's.
/// </remarks>
internal sealed record GgufVocabulary
{
    public const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5;

    /// <summary>Keys begin with it.</summary>
    public const string Prefix = "tokenizer.ggml.";

    /// <summary>Where the chat template stands.</summary>
    public const string TemplateKey = "tokenizer.chat_template";

    public required string File { get; init; }

    /// <summary><c>gpt2</c> or <c>llama</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The name of the way to cut text; null where the file has none.</summary>
    public string? PreTokenizer { get; init; }

    public required string[] Tokens { get; init; }

    public required int[] Types { get; init; }

    public float[] Scores { get; init; } = [];

    public string[] Merges { get; init; } = [];

    /// <summary>Ids of special tokens by the names that templates use: bos_token, eos_token, unk_token, pad_token.</summary>
    public required IReadOnlyDictionary<string, int> Special { get; init; }

    public bool? AddsBegin { get; init; }

    public bool AddsEnd { get; init; }

    public bool AddsSpace { get; init; } = true;

    public bool RemovesExtraSpaces { get; init; }

    public string? Template { get; init; }

    /// <summary>The vocabulary, or null where the file has none.</summary>
    /// <exception cref="InvalidDataException">A key is missing or not what it should be; the message names file and key.</exception>
    public static GgufVocabulary? Read(GgufFile file)
    {
        if (Optional(file, "model") is not { } model || model.Text() is "no_vocab" or "none")
        {
            return null;
        }

        string kind = model.Text();
        if (kind is not ("gpt2" or "llama"))
        {
            throw model.Fault($"'{FileField.Shorten(kind)}', expected gpt2 or llama, the kinds that are supported");
        }

        GgufValue listed = Required(file, "tokens");
        string[] tokens = listed.Texts(BpeReader.IdLimit);
        if (tokens.Length == 0)
        {
            throw listed.Fault("empty");
        }

        int[] types = Optional(file, "token_type")?.Integers(tokens.Length, 0, 255) ?? [.. Enumerable.Repeat(Normal, tokens.Length)];
        RequireOneEach(file, "token_type", types.Length, tokens.Length);
        float[] scores = kind == "llama" ? Required(file, "scores").Floats(tokens.Length) : [];
        RequireOneEach(file, "scores", scores.Length, kind == "llama" ? tokens.Length : 0);
        return new GgufVocabulary
        {
            File = file.FilePath,
            Kind = kind,
            PreTokenizer = Optional(file, "pre")?.Text(),
            Tokens = tokens,
            Types = types,
            Scores = scores,
            Merges = kind == "gpt2" ? Required(file, "merges").Texts(BpeReader.IdLimit) : [],
            Special = ReadSpecial(file, tokens.Length),
            AddsBegin = Optional(file, "add_bos_token")?.Flag(),
            AddsEnd = Optional(file, "add_eos_token")?.Flag() ?? false,
            AddsSpace = Optional(file, "add_space_prefix")?.Flag() ?? true,
            RemovesExtraSpaces = Optional(file, "remove_extra_whitespaces")?.Flag() ?? false,
            Template = file.Metadata.GetValueOrDefault(TemplateKey)?.Text(),
        };
    }

    /// <summary>Whether it is a SentencePiece vocabulary.</summary>
    public bool IsPieces => Kind == "llama";

    /// <summary>The tokens with their scores.</summary>
    public IReadOnlyList<SentencePiece> Pieces => [.. Tokens.Select((text, id) => new SentencePiece(text, Scores[id], (SentencePieceType)Types[id]))];

    /// <summary>How they are used; the token for the beginning is put in front unless the file says otherwise.</summary>
    public SentencePieceOptions PieceOptions => new()
    {
        PiecesField = "tokens",
        AddDummyPrefix = AddsSpace,
        RemoveExtraWhitespaces = RemovesExtraSpaces,
        ByteFallback = Types.Contains((int)SentencePieceType.Byte),
        Prefix = (AddsBegin ?? true) && Special.TryGetValue("bos_token", out int begin) ? [begin] : [],
        Suffix = AddsEnd && Special.TryGetValue("eos_token", out int end) ? [end] : [],
    };

    /// <summary>The special tokens' texts, for templates.</summary>
    public JsonObject SpecialTexts()
    {
        var texts = new JsonObject();
        foreach (var (name, id) in Special)
        {
            texts[name] = Tokens[id];
        }

        return texts;
    }

    private static Dictionary<string, int> ReadSpecial(GgufFile file, int count)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (name, key) in ((string, string)[])[("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")])
        {
            if (Optional(file, key + "_token_id") is { } value)
            {
                ids[name] = value.Integer(0, count - 1);
            }
        }

        return ids;
    }

    private static void RequireOneEach(GgufFile file, string key, int length, int expected)
    {
        if (length != expected)
        {
            throw Required(file, key).Fault($"a list of {length} values, expected {expected}, one a token");
        }
    }

    private static GgufValue? Optional(GgufFile file, string key) => file.Metadata.GetValueOrDefault(Prefix + key);

    private static GgufValue Required(GgufFile file, string key) =>
        Optional(file, key) ?? throw new InvalidDataException($"{file.FilePath}: the metadata has no key {Prefix}{key}");
}
