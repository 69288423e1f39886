using System.CommandLine;
using System.Diagnostics;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Commands;

/// <summary><c>data inspect</c>: what a folder of shards holds, and whether it is whole.</summary>
internal static class DataInspectCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder of token shards." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "Show documents as text: model folder, .gguf file, hf:org/name or tokenizer file." };
        var documents = new Option<int>("--documents") { Description = "How many of the first documents of each split to show.", DefaultValueFactory = _ => 3 };
        var quick = new Option<bool>("--quick") { Description = "Check headers and offsets alone, without reading all tokens." };
        var json = SharedOptions.Json();
        var command = new Command("inspect", "Counts, first documents and checksums of token shards.") { folder, tokenizer, documents, quick, json };
        command.SetAction(result =>
        {
            using var shards = ShardFolder.Open(result.GetValue(folder)!);
            var reader = result.GetValue(tokenizer) is { } name ? TokenizerFiles.Load(name) : null;
            if (reader is not null)
            {
                shards.RequireTokenizer(VocabularyHash.Of(reader));
            }

            int shown = OptionChecks.AtLeast(result, documents, 0);
            double? rate = result.GetValue(quick) ? null : Verify(shards);
            var first = ((string, IReadOnlyList<TokenShard>)[])[("train", shards.Train), ("validation", shards.Validation)];
            if (result.GetValue(json))
            {
                JsonOutput.Print(new
                {
                    index = ShardTable.ToJson(shards.FullPath, shards.Index),
                    hash = shards.Hash,
                    verified = rate is not null,
                    inputs = shards.Index.Inputs,
                });
                return;
            }

            ShardTable.Print(shards.FullPath, shards.Index);
            foreach (var (split, files) in first)
            {
                foreach (var (place, ids) in First(files, shown))
                {
                    string text = reader is null ? string.Join(' ', ids.Take(16)) + (ids.Length > 16 ? " …" : "") : DocumentText.Of(reader, ids);
                    Console.WriteLine($"{split} {place} ({ids.Length} tokens): {text}");
                }
            }

            Console.WriteLine(rate is { } speed
                ? $"all checksums match, every id is in the vocabulary ({speed:N0} MB/s)"
                : "headers and offsets are sound; tokens were not read");
        });
        return command;
    }

    private static double Verify(ShardFolder shards)
    {
        long start = Stopwatch.GetTimestamp(), bytes = 0;
        foreach (var shard in shards.Train.Concat(shards.Validation))
        {
            shard.Verify();
            bytes += shard.Header.FileBytes;
        }

        return bytes / 1e6 / Math.Max(1e-9, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static IEnumerable<(long Place, int[] Ids)> First(IReadOnlyList<TokenShard> shards, int count)
    {
        long place = 0;
        foreach (var shard in shards)
        {
            for (long document = 0; document < shard.Header.Documents && place < count; document++, place++)
            {
                var (start, end) = shard.Range(document);
                int[] ids = new int[Math.Min(end - start, 1 << 20)];
                shard.Read(start, ids);
                yield return (place, ids);
            }
        }
    }
}
