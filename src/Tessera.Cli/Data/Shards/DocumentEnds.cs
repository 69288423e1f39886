using System.Globalization;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Data.Shards;

/// <summary>Tokens that options put in front of and behind documents.</summary>
internal static class DocumentEnds
{
    private const string None = "none";

    /// <summary>The token that an option names by its text or its id, or null for <c>none</c>.</summary>
    /// <exception cref="ArgumentException">The vocabulary has no such token.</exception>
    public static int? Parse(Tokenizer tokenizer, string option, string text)
    {
        if (text == None)
        {
            return null;
        }

        // The text first: a vocabulary may well have a token "5" that is not token 5.
        return tokenizer.TokenId(text)
            ?? (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id < tokenizer.VocabularySize
                ? id
                : throw new ArgumentException($"{option} {text}: the vocabulary has no such token, and it is no id below {tokenizer.VocabularySize}; expected one of these or none"));
    }
}
