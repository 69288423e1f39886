using Tessera.Devices;
using Tessera.Training.Data;

namespace Tessera.Cli.Data;

/// <summary>Documents of token ids that no tokenizer made: lists from a file, cut to length, or ids drawn evenly from the vocabulary.</summary>
internal sealed class IdDocuments : IDocumentSource
{
    /// <summary>What stands in a file's place for drawn ids.</summary>
    public const string Drawn = "drawn";

    private const ulong Stream = 0x1D5;
    private readonly IReadOnlyList<int[]>? _lists;
    private readonly ulong _seed;
    private readonly int _vocabulary;
    private readonly int _length;

    private IdDocuments(IReadOnlyList<int[]>? lists, ulong seed, int vocabulary, int length) =>
        (_lists, _seed, _vocabulary, _length) = (lists, seed, vocabulary, length);

    /// <summary>Documents there are before the first comes again.</summary>
    public long Count => _lists?.Count ?? long.MaxValue;

    /// <summary>Opens a source.</summary>
    /// <param name="path">A file of lists, or <see cref="Drawn"/>.</param>
    /// <param name="vocabulary">Ids below which all must lie.</param>
    /// <param name="length">Most ids of a document; all have so many where they are drawn.</param>
    /// <param name="seed">Seed of drawn ids.</param>
    /// <exception cref="InvalidDataException">The file is missing or holds something else than lists of ids of the vocabulary.</exception>
    public static IdDocuments Open(string path, int vocabulary, int length, ulong seed)
    {
        // A document of one id predicts nothing.
        var lists = path == Drawn ? null
            : TokenLists.Read(path, vocabulary).SelectMany(list => list.Chunk(length)).Where(list => list.Length > 1).ToList();
        return lists is { Count: 0 }
            ? throw new InvalidDataException($"{path}: no list of two or more ids in it")
            : new IdDocuments(lists, seed, vocabulary, length);
    }

    /// <summary>The same documents in drawing, others where ids are drawn.</summary>
    public IdDocuments WithSeed(ulong seed) => new(_lists, seed, _vocabulary, _length);

    /// <inheritdoc />
    public TokenDocument Get(long index)
    {
        if (_lists is not null)
        {
            return TokenDocument.Uniform(_lists[(int)(index % _lists.Count)]);
        }

        var random = new CounterRandom(_seed, (Stream << 40) + (ulong)index);
        int[] ids = new int[_length];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = random.Next(_vocabulary);
        }

        return TokenDocument.Uniform(ids);
    }
}
