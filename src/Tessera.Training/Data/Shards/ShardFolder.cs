using Tessera.Runs;

namespace Tessera.Training.Data.Shards;

/// <summary>A complete folder of token shards, all of them mapped and checked against its index.</summary>
public sealed class ShardFolder : IDisposable
{
    private ShardFolder(string folder, ShardIndex index, string hash, IReadOnlyList<TokenShard> train, IReadOnlyList<TokenShard> validation)
    {
        FullPath = folder;
        Index = index;
        Hash = hash;
        Train = train;
        Validation = validation;
    }

    /// <summary>The path it was opened by.</summary>
    public string FullPath { get; }

    /// <summary>What it holds.</summary>
    public ShardIndex Index { get; }

    /// <summary>Hash of the index, which has the hash of every shard: the identity of the data.</summary>
    public string Hash { get; }

    /// <summary>Shards to train on.</summary>
    public IReadOnlyList<TokenShard> Train { get; }

    /// <summary>Shards held out.</summary>
    public IReadOnlyList<TokenShard> Validation { get; }

    /// <summary>Whether a path is a folder of token shards, finished or not.</summary>
    public static bool IsNamed(string path) =>
        File.Exists(Path.Combine(path, ShardIndex.FileName)) || File.Exists(Path.Combine(path, ShardBuilder.ProgressName));

    /// <summary>Opens a folder.</summary>
    /// <exception cref="InvalidDataException">It is no such folder, not complete, or a shard is not what the index says; one sentence.</exception>
    public static ShardFolder Open(string folder)
    {
        string path = Path.Combine(folder, ShardIndex.FileName);
        if (!File.Exists(path))
        {
            throw new InvalidDataException(File.Exists(Path.Combine(folder, ShardBuilder.ProgressName))
                ? $"{folder}: the tokenising was not finished; repeat the same data tokenize, which goes on where it stopped"
                : $"{folder}: no folder of token shards, {ShardIndex.FileName} is missing");
        }

        var index = ShardIndex.Read(folder);
        var opened = new List<TokenShard>();
        try
        {
            List<TokenShard> OpenAll(IEnumerable<ShardEntry> entries) => [.. entries.Select(entry =>
            {
                opened.Add(OpenShard(folder, index, entry));
                return opened[^1];
            })];
            return new ShardFolder(folder, index, ContentHash.OfFile(path), OpenAll(index.Train), OpenAll(index.Validation));
        }
        catch
        {
            opened.ForEach(shard => shard.Dispose());
            throw;
        }
    }

    /// <summary>Refuses shards of another vocabulary than the one their ids will be read by.</summary>
    /// <param name="vocabularyHash"><see cref="VocabularyHash"/> of the tokenizer at hand.</param>
    /// <exception cref="InvalidDataException">The shards were made with another tokenizer.</exception>
    public void RequireTokenizer(string vocabularyHash)
    {
        if (Index.Tokenizer != vocabularyHash)
        {
            throw new InvalidDataException(
                $"{FullPath}: tokenizer {ContentHash.Short(Index.Tokenizer)} made these shards, and the one in use is {ContentHash.Short(vocabularyHash)}; tokenize again with the model's own");
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var shard in Train.Concat(Validation))
        {
            shard.Dispose();
        }
    }

    private static TokenShard OpenShard(string folder, ShardIndex index, ShardEntry entry)
    {
        var shard = TokenShard.Open(Path.Combine(folder, entry.File));
        var header = shard.Header;
        string? differs =
            header.Documents != entry.Documents ? $"documents is {header.Documents}, but {entry.Documents}"
            : header.Tokens != entry.Tokens ? $"tokens is {header.Tokens}, but {entry.Tokens}"
            : header.Data != entry.Sha256 ? $"data checksum is {header.Data}, but {entry.Sha256}"
            : header.Tokenizer != index.Tokenizer ? $"tokenizer is {header.Tokenizer}, but {index.Tokenizer}"
            : header.Vocabulary != index.Vocabulary ? $"vocabulary is {header.Vocabulary}, but {index.Vocabulary}"
            : header.Begin != index.Begin || header.End != index.End ? "begin or end is not what stands"
            : null;
        if (differs is null)
        {
            return shard;
        }

        shard.Dispose();
        throw new InvalidDataException($"{shard.FilePath}: {differs} in {ShardIndex.FileName}");
    }
}
