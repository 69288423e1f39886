using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Output;

/// <summary>What a folder of shards holds, for people and machines.</summary>
internal static class ShardTable
{
    public static object ToJson(string folder, ShardIndex index) => new
    {
        folder,
        tokenizer = index.Tokenizer,
        vocabulary = index.Vocabulary,
        begin = index.Begin,
        end = index.End,
        validation_share = index.ValidationShare,
        empty = index.Empty,
        train = ToJson(index.Train),
        validation = ToJson(index.Validation),
    };

    public static void Print(string folder, ShardIndex index)
    {
        var table = new TextTable("split", ">shards", ">documents", ">tokens");
        foreach (var (name, entries) in ((string, IReadOnlyList<ShardEntry>)[])[("train", index.Train), ("validation", index.Validation)])
        {
            table.Add(name, $"{entries.Count:N0}", $"{entries.Sum(entry => entry.Documents):N0}", $"{entries.Sum(entry => entry.Tokens):N0}");
        }

        table.Print();
        Console.WriteLine(
            $"{folder}: vocabulary {index.Vocabulary:N0} ({(index.Vocabulary <= 1 << 16 ? 2 : 4)} bytes a token), begin {Token(index.Begin)}, end {Token(index.End)}, "
            + $"{index.Empty:N0} documents without a token left out, tokenizer {Runs.ContentHash.Short(index.Tokenizer)}");
    }

    private static string Token(int? id) => id is { } known ? FormattableString.Invariant($"{known}") : "none";

    private static object ToJson(IReadOnlyList<ShardEntry> entries) => new
    {
        shards = entries.Count,
        documents = entries.Sum(entry => entry.Documents),
        tokens = entries.Sum(entry => entry.Tokens),
    };
}
