using Tessera.Training.Data.Shards;

namespace Tessera.Training.Tests.Data;

/// <summary>Shards of random documents in a folder of their own.</summary>
internal sealed class ShardFiles : IDisposable
{
    public static readonly string AnyTokenizer = new('a', 64);

    public string Folder { get; } = Directory.CreateTempSubdirectory("tessera-shards-").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    public static ShardHeader Layout(int vocabulary, int? begin = null, int? end = null) => new()
    {
        Documents = 0,
        Tokens = 0,
        Vocabulary = vocabulary,
        Begin = begin,
        End = end,
        Tokenizer = AnyTokenizer,
        Data = new string('0', 64),
    };

    public static int[][] Documents(int vocabulary, int seed, params int[] lengths)
    {
        var random = new Random(seed);
        return [.. lengths.Select(length => Enumerable.Range(0, length).Select(_ => random.Next(vocabulary)).ToArray())];
    }

    public string Write(string name, ShardHeader layout, params int[][] documents)
    {
        using var writer = new TokenShardWriter(this[name], layout);
        foreach (int[] document in documents)
        {
            writer.Append(document);
        }

        writer.Finish();
        return this[name];
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
