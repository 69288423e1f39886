using System.Globalization;
using System.Text.Json;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Gguf;

/// <summary>
/// A SentencePiece vocabulary that was converted to a tokenizer.json, as pieces with scores again: the score of a piece is minus
/// the rank of the first merge that makes it, so merging by scores takes the same order.
/// </summary>
internal static class PiecesOfJson
{
    private const string Mark = "\u2581";

    /// <summary>The pieces, or null where the document is no such vocabulary.</summary>
    /// <param name="root">The document, which the tokenizer was read from.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="merges">Its merges, "a b".</param>
    public static (SentencePiece[] Pieces, SentencePieceOptions Options)? Read(JsonElement root, Tokenizer tokenizer, string[] merges)
    {
        if (!IsTrue(root.GetProperty("model"), "byte_fallback") || Prefixes(root) is not { } addsSpace)
        {
            return null;
        }

        var ranks = new Dictionary<string, int>(merges.Length, StringComparer.Ordinal);
        for (int rank = 0; rank < merges.Length; rank++)
        {
            ranks.TryAdd(merges[rank].Remove(merges[rank].IndexOf(' ', StringComparison.Ordinal), 1), rank);
        }

        string? unknown = root.GetProperty("model").TryGetProperty("unk_token", out JsonElement field) ? field.GetString() : null;
        var pieces = new SentencePiece[tokenizer.VocabularySize];
        for (int id = 0; id < pieces.Length; id++)
        {
            string? text = tokenizer.TokenText(id);
            SentencePieceType type = text is null ? SentencePieceType.Unused
                : text == unknown ? SentencePieceType.Unknown
                : tokenizer.IsSpecial(id) ? SentencePieceType.Control
                : tokenizer.IsAdded(id) ? SentencePieceType.UserDefined
                : IsByte(text) ? SentencePieceType.Byte : SentencePieceType.Normal;

            // Single characters are never the result of a merge; theirs come last, as trained vocabularies have them.
            float score = type != SentencePieceType.Normal ? 0 : text is not null && ranks.TryGetValue(text, out int rank) ? -rank : -(merges.Length + id);
            pieces[id] = new SentencePiece(text ?? $"[PAD{id}]", score, type);
        }

        return pieces.Count(piece => piece.Type == SentencePieceType.Byte) == 256 ? (pieces, new SentencePieceOptions { AddDummyPrefix = addsSpace }) : null;
    }

    // Spaces become marks, by a normaliser or by a pre-tokenizer that leaves the text whole; the answer is whether one is put in front.
    private static bool? Prefixes(JsonElement root)
    {
        JsonElement normalizer = Part(root, "normalizer"), splitter = Part(root, "pre_tokenizer");
        if (splitter.ValueKind == JsonValueKind.Object)
        {
            return normalizer.ValueKind != JsonValueKind.Object && Text(splitter, "type") == "Metaspace" && Text(splitter, "replacement") == Mark
                && splitter.TryGetProperty("split", out JsonElement split) && split.ValueKind == JsonValueKind.False
                ? Text(splitter, "prepend_scheme") is "always" or "first"
                : null;
        }

        if (normalizer.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        JsonElement[] steps = Text(normalizer, "type") == "Sequence" ? [.. normalizer.GetProperty("normalizers").EnumerateArray()] : [normalizer];
        bool prepends = steps.Length > 0 && Text(steps[0], "type") == "Prepend" && Text(steps[0], "prepend") == Mark;
        JsonElement[] rest = steps[(prepends ? 1 : 0)..];
        return rest is [var last] && Text(last, "type") == "Replace" && Text(last, "content") == Mark && last.GetProperty("pattern") is var pattern
            && Text(pattern, "String") == " "
            ? prepends
            : null;
    }

    private static bool IsByte(string text) =>
        text is ['<', '0', 'x', _, _, '>'] && byte.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _);

    private static JsonElement Part(JsonElement root, string name) => root.TryGetProperty(name, out JsonElement part) ? part : default;

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool IsTrue(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;
}
