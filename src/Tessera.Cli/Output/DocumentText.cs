using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Output;

/// <summary>The beginning of a document as one line of text.</summary>
internal static class DocumentText
{
    private const int MostTokens = 128;
    private const int MostCharacters = 200;

    /// <summary>Its first characters as a JSON string; control tokens by their names.</summary>
    public static string Of(Tokenizer tokenizer, ReadOnlySpan<int> ids)
    {
        string text = tokenizer.Decode(ids[..Math.Min(ids.Length, MostTokens)], skipSpecialTokens: false);
        bool cut = ids.Length > MostTokens || text.Length > MostCharacters;
        int length = Math.Min(text.Length, MostCharacters);
        length -= length > 0 && char.IsHighSurrogate(text[length - 1]) ? 1 : 0;
        return JsonOutput.Line(text[..length]) + (cut ? " …" : string.Empty);
    }
}
