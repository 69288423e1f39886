namespace Tessera.Training.Data;

/// <summary>Documents laid one behind the other; attention does not cross their borders.</summary>
/// <param name="Ids">Input tokens.</param>
/// <param name="Lengths">Tokens of each document.</param>
/// <param name="Targets">The token that follows each input token; 0 where the weight is 0.</param>
/// <param name="Weights">Weight of each prediction; 0 at a document's last token.</param>
public sealed record PackedBatch(int[] Ids, int[] Lengths, int[] Targets, float[] Weights)
{
    /// <summary>Sum of the weights.</summary>
    public double WeightSum
    {
        get
        {
            double sum = 0;
            foreach (float weight in Weights)
            {
                sum += weight;
            }

            return sum;
        }
    }
}

/// <summary>Fills batches with whole documents, in order, up to a number of tokens.</summary>
/// <param name="source">Where documents come from.</param>
/// <param name="tokenBudget">Most tokens of a batch.</param>
/// <param name="maxLength">Documents longer than this are cut off.</param>
public sealed class BatchPacker(IDocumentSource source, int tokenBudget, int maxLength)
{
    private const int MostUnusableInARow = 100_000;
    private readonly int _longest = tokenBudget >= 2 && maxLength >= 2
        ? Math.Min(tokenBudget, maxLength)
        : throw new ArgumentException(
            $"a prediction needs two tokens: the batch may hold {tokenBudget} and a document {maxLength}");

    /// <summary>Index of the next document that was not packed; set it to resume.</summary>
    public long NextDocument { get; set; }

    /// <summary>Documents from this one on are not read; the last batch before it may be smaller.</summary>
    public long EndDocument { get; init; } = long.MaxValue;

    /// <summary>Packs batches until they hold a number of tokens or the documents end.</summary>
    public List<PackedBatch> Take(long tokens)
    {
        var batches = new List<PackedBatch>();
        for (long taken = 0; taken < tokens && NextDocument < EndDocument; taken += batches[^1].Ids.Length)
        {
            var batch = Next();
            if (batch.Ids.Length == 0)
            {
                break;
            }

            batches.Add(batch);
        }

        return batches;
    }

    /// <summary>The next batch: as many documents as fit; empty only where they have ended.</summary>
    /// <exception cref="InvalidDataException">The source gives nothing but documents of fewer than two tokens.</exception>
    public PackedBatch Next()
    {
        var documents = new List<TokenDocument>();
        int tokens = 0;
        int unusable = 0;
        while (true)
        {
            if (NextDocument >= EndDocument)
            {
                return Pack(documents, tokens);
            }

            var document = source.Get(NextDocument);
            int length = Math.Min(document.Ids.Length, _longest);
            if (length < 2)
            {
                NextDocument++;
                if (++unusable == MostUnusableInARow)
                {
                    throw new InvalidDataException(
                        $"the training data: {unusable} documents in a row have fewer than two tokens, the last is number {NextDocument - 1}");
                }

                continue;
            }

            if (tokens + length > tokenBudget)
            {
                return Pack(documents, tokens);
            }

            documents.Add(document);
            tokens += length;
            unusable = 0;
            NextDocument++;
        }
    }

    /// <summary>Packs given documents, each cut to <paramref name="maxLength"/>, into one batch.</summary>
    public static PackedBatch Pack(IReadOnlyList<TokenDocument> documents, int maxLength, int tokens)
    {
        var batch = new PackedBatch(new int[tokens], new int[documents.Count], new int[tokens], new float[tokens]);
        int start = 0;
        for (int d = 0; d < documents.Count; d++)
        {
            var (ids, weights) = documents[d];
            int length = Math.Min(ids.Length, maxLength);
            batch.Lengths[d] = length;
            for (int i = 0; i < length; i++)
            {
                batch.Ids[start + i] = ids[i];
                if (i + 1 < length)
                {
                    batch.Targets[start + i] = ids[i + 1];
                    batch.Weights[start + i] = weights[i + 1];
                }
            }

            start += length;
        }

        return batch;
    }

    private PackedBatch Pack(List<TokenDocument> documents, int tokens) => Pack(documents, _longest, tokens);
}
