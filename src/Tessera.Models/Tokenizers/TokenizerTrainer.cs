using System.Runtime.InteropServices;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Makes a small byte-level byte-pair tokenizer from text. Every text can be encoded, because every byte is a token, and decoding
/// gives it back. The result depends only on the texts (not on their order) and the options.
/// </summary>
public static class TokenizerTrainer
{
    /// <summary>Trains a tokenizer and writes it as a <c>tokenizer.json</c>; an earlier file is replaced only when all is done.</summary>
    /// <param name="texts">The training texts; read once.</param>
    /// <param name="path">The file to write, or an existing folder to write tokenizer.json into.</param>
    /// <param name="options">Size, special tokens and digits.</param>
    /// <returns>The vocabulary's size: less than wanted where the text holds too few frequent pairs.</returns>
    /// <exception cref="ArgumentException">
    /// The size is too small, or a special token is empty, repeated or a single byte's token.
    /// </exception>
    public static int Train(IEnumerable<string> texts, string path, TokenizerTrainerOptions options)
    {
        Check(options);
        Dictionary<string, long> pieces = CountPieces(texts, options);
        var learner = new MergeLearner(pieces);
        learner.Learn(options.VocabularySize - options.SpecialTokens.Count, options.MinimumPairCount, options.SpecialTokens.ToHashSet());
        TokenizerWriter.Write(Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path, learner, options);
        return learner.Tokens.Count + options.SpecialTokens.Count;
    }

    private static void Check(TokenizerTrainerOptions options)
    {
        int least = 256 + options.SpecialTokens.Count;
        if (options.VocabularySize < least || options.VocabularySize > BpeReader.IdLimit)
        {
            throw new ArgumentException(
                $"A vocabulary of {options.VocabularySize} tokens is not possible: "
                + $"256 bytes and {options.SpecialTokens.Count} special tokens "
                + $"need at least {least}, and at most {BpeReader.IdLimit} are supported.",
                nameof(options));
        }

        if (options.MinimumPairCount < 1)
        {
            throw new ArgumentException($"A pair has to occur at least once, not {options.MinimumPairCount} times.", nameof(options));
        }

        var seen = new HashSet<string>();
        foreach (string token in options.SpecialTokens)
        {
            bool isByte = token.Length == 1 && ByteAlphabet.ToByte(token[0]) >= 0;
            if (token.Length is 0 or > 4096 || isByte || !seen.Add(token) || WellFormedText.From(token) != token)
            {
                throw new ArgumentException(
                    $"The special token '{FileField.Shorten(token)}' is empty, too long, repeated, "
                    + "not Unicode or the token of a single byte.",
                    nameof(options));
            }
        }
    }

    private static Dictionary<string, long> CountPieces(IEnumerable<string> texts, TokenizerTrainerOptions options)
    {
        var counts = new Dictionary<string, long>();
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        var special = new AddedTokenMatcher(options.SpecialTokens.Select(text => (text, new AddedToken(text, 0) { Special = true })));
        var sections = new List<AddedTokenMatcher.Section>();
        var digits = new NumberSplitter(1);
        var buffer = new PieceBuffer();
        foreach (string text in texts)
        {
            string input = WellFormedText.From(text);
            sections.Clear();
            special.Find(input, parseSpecial: true, sections);
            foreach (AddedTokenMatcher.Section section in sections.Where(section => section.Token is null))
            {
                buffer.Reset(input[section.Start..section.End], startsInput: false);
                if (options.SplitDigits)
                {
                    buffer.Split(digits);
                }

                buffer.Split(SplitPatterns.ByteLevel);
                for (int i = 0; i < buffer.Count; i++)
                {
                    CollectionsMarshal.GetValueRefOrAddDefault(lookup, buffer.Piece(i), out _)++;
                }
            }
        }

        return counts;
    }
}
