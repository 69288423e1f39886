namespace Tessera.Training.Data.Shards;

/// <summary>
/// The documents of mapped shards, cut into pieces of at most a number of tokens as <see cref="TextSource"/> cuts them, visited in a
/// new seeded order each pass. Memory is 8 bytes for every 64 documents.
/// </summary>
public sealed class ShardDocuments : IDocumentSource
{
    private const int Stride = 64;

    private readonly IReadOnlyList<TokenShard> _shards;
    private readonly long[] _first;
    private readonly long[][] _pieces;
    private readonly int? _beginId;
    private readonly int _lead;
    private readonly int _room;
    private readonly ulong _seed;

    /// <summary>Counts the pieces of all documents.</summary>
    /// <param name="shards">The shards; who opened them disposes them.</param>
    /// <param name="beginId">
    /// Token put in front of every piece, or null. Where the documents have it already, it is not doubled.
    /// </param>
    /// <param name="maxLength">Most tokens of a piece.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="InvalidDataException">Documents begin with another token, or no piece has two tokens.</exception>
    public ShardDocuments(IReadOnlyList<TokenShard> shards, int? beginId, int maxLength, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 2);
        ArgumentOutOfRangeException.ThrowIfZero(shards.Count);
        int? stored = shards[0].Header.Begin;
        if (stored is not null && beginId is not null && stored != beginId)
        {
            throw new InvalidDataException($"{shards[0].FilePath}: begin is {stored}, but the model's begin token is {beginId}");
        }

        _shards = shards;
        _beginId = beginId;
        _lead = stored is not null && beginId is not null ? 1 : 0;
        _room = beginId is null ? maxLength : maxLength - 1;
        _seed = seed;
        _first = new long[shards.Count + 1];
        _pieces = new long[shards.Count][];
        for (int i = 0; i < shards.Count; i++)
        {
            _pieces[i] = CountPieces(shards[i]);
            _first[i + 1] = _first[i] + _pieces[i][^1];
        }

        if (Count == 0)
        {
            throw new InvalidDataException($"{shards[0].FilePath}: documents have fewer than two tokens, here and in all shards beside it");
        }
    }

    /// <summary>Pieces of one pass.</summary>
    public long Count => _first[^1];

    /// <inheritdoc />
    public TokenDocument Get(long index)
    {
        var order = new CounterPermutation(Count, _seed, (ulong)(index / Count));
        return TokenDocument.Uniform(Piece(order.At(index % Count)));
    }

    /// <summary>A piece by its place in the files, without any order.</summary>
    public int[] Piece(long piece)
    {
        int at = Last(_first, piece);
        var shard = _shards[at];
        piece -= _first[at];
        int block = Last(_pieces[at], piece);
        piece -= _pieces[at][block];
        long document = (long)block * Stride;
        var (start, end) = Content(shard, document);
        for (long count = CountOf(end - start); piece >= count; count = CountOf(end - start))
        {
            piece -= count;
            (start, end) = Content(shard, ++document);
        }

        start += piece * _room;
        int lead = _beginId is null ? 0 : 1;
        int[] ids = new int[lead + Math.Min(_room, end - start)];
        shard.Read(start, ids.AsSpan(lead));
        if (_beginId is { } begin)
        {
            ids[0] = begin;
        }

        return ids;
    }

    /// <summary>The last place whose value is not above <paramref name="value"/>, where values do not fall; behind it a larger one follows.</summary>
    private static int Last(long[] values, long value)
    {
        int low = 0, high = values.Length - 1;
        while (high - low > 1)
        {
            int middle = (low + high) >>> 1;
            (low, high) = values[middle] <= value ? (middle, high) : (low, middle);
        }

        return low;
    }

    private long[] CountPieces(TokenShard shard)
    {
        long documents = shard.Header.Documents;
        long[] sums = new long[((documents + Stride - 1) / Stride) + 1];
        for (int block = 0; block < sums.Length - 1; block++)
        {
            long sum = sums[block];
            long last = Math.Min(documents, (block + 1L) * Stride);
            for (long document = (long)block * Stride; document < last; document++)
            {
                var (start, end) = Content(shard, document);
                sum += CountOf(end - start);
            }

            sums[block + 1] = sum;
        }

        return sums;
    }

    private (long Start, long End) Content(TokenShard shard, long document)
    {
        var (start, end) = shard.Range(document);
        if (_lead > 0)
        {
            shard.CheckEnds(document);
        }

        return (start + _lead, end);
    }

    /// <summary>Pieces of so many tokens: all full ones, and the rest where it holds a prediction.</summary>
    private long CountOf(long tokens)
    {
        if (tokens <= _room)
        {
            return tokens + (_beginId is null ? 0 : 1) >= 2 && tokens > 0 ? 1 : 0;
        }

        long full = Math.DivRem(tokens, _room, out long rest);
        return full + (rest > 0 && rest + (_beginId is null ? 0 : 1) >= 2 ? 1 : 0);
    }
}
