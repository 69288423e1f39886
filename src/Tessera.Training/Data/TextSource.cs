using Tessera.Models.Tokenizers;

namespace Tessera.Training.Data;

/// <summary>
/// Plain text cut into documents of at most a number of tokens, visited in a new seeded order each pass.
/// </summary>
public sealed class TextSource : IDocumentSource
{
    private readonly List<int[]> _documents = [];
    private readonly SeededOrder _order;

    /// <summary>Tokenises texts: each is one document, cut into pieces of <paramref name="maxLength"/> tokens.</summary>
    /// <param name="tokenizer">Tokenizer.</param>
    /// <param name="texts">Documents.</param>
    /// <param name="beginId">Token put in front of every piece, or null.</param>
    /// <param name="maxLength">Most tokens of a piece.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="InvalidDataException">No text at all.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A piece has no room for a prediction.</exception>
    public TextSource(Tokenizer tokenizer, IEnumerable<string> texts, int? beginId, int maxLength, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 2);
        foreach (string text in texts)
        {
            int[] ids = tokenizer.Encode(text, addSpecialTokens: false);
            int room = beginId is null ? maxLength : maxLength - 1;
            for (int start = 0; start < ids.Length; start += room)
            {
                int length = Math.Min(room, ids.Length - start);
                if (length + (beginId is null ? 0 : 1) < 2)
                {
                    // A single token predicts nothing.
                    continue;
                }

                _documents.Add(beginId is { } begin ? [begin, .. ids.AsSpan(start, length)] : ids[start..(start + length)]);
            }
        }

        if (_documents.Count == 0)
        {
            throw new InvalidDataException("the text holds no document of at least two tokens");
        }

        _order = new SeededOrder(_documents.Count, seed);
    }

    /// <summary>Documents of one pass.</summary>
    public int Count => _documents.Count;

    /// <inheritdoc />
    public TokenDocument Get(long index) => TokenDocument.Uniform(_documents[_order.At(index)]);
}
