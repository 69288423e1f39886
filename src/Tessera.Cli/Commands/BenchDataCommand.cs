using System.CommandLine;
using System.Diagnostics;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Training.Data;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Commands;

/// <summary><c>bench data</c>: how fast mapped shards become batches, beside a plain copy of the same bytes.</summary>
internal static class BenchDataCommand
{
    private const int BlockTokens = 1 << 14;

    private static long _sink;

    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder of token shards." };
        var maxLength = new Option<int>("--max-length") { Description = "Longest document in tokens.", DefaultValueFactory = _ => 512 };
        var batch = new Option<int>("--batch-tokens") { Description = "Most tokens of a batch.", DefaultValueFactory = _ => 4096 };
        var seconds = new Option<double>("--seconds") { Description = "Time for the pairs of one case.", DefaultValueFactory = _ => 2 };
        var json = SharedOptions.Json();
        var command = new Command("data", "Reading of token shards, one thread: in order, and packed into shuffled batches.") { folder, maxLength, batch, seconds, json };
        command.SetAction(result =>
        {
            int length = OptionChecks.AtLeast(result, maxLength, 2), budget = OptionChecks.AtLeast(result, batch, 2);
            double time = OptionChecks.Between(result, seconds, 0, 3600);
            using var shards = ShardFolder.Open(result.GetValue(folder)!);
            using var device = new CpuDevice(1);
            if (shards.Train.Count == 0)
            {
                throw new InvalidDataException($"{shards.FullPath}: no document is left to train on, all are held out");
            }

            int tokenBytes = shards.Train[0].Header.TokenBytes;
            var packer = new BatchPacker(new ShardDocuments(shards.Train, null, length, 1), budget, length);
            BenchResult[] results =
            [
                Measure("in order", $"{shards.Index.Train.Sum(entry => entry.Tokens)} tokens", () => InOrder(shards.Train), shards.Train, time),
                Measure("packed", $"{budget}x{length} shuffled", () => Packed(packer, BlockTokens * 16) * tokenBytes, shards.Train, time),
            ];
            if (result.GetValue(json))
            {
                JsonOutput.Print(results.Select(measured => BenchCommand.ToJson(measured, device)));
            }
            else
            {
                BenchCommand.Print([.. results], device);
            }
        });
        return command;
    }

    /// <summary>Rates of stored bytes: of the work, and of a copy of all bytes in blocks that stay in the cache, in turns.</summary>
    private static BenchResult Measure(string name, string shape, Func<long> work, IReadOnlyList<TokenShard> shards, double seconds)
    {
        var rates = new List<double>();
        var ceilings = new List<double>();

        // Once before anything is counted, so that the pages are there.
        work();
        Copy(shards);
        for (long start = Stopwatch.GetTimestamp(); rates.Count < 3 || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds;)
        {
            rates.Add(Rate(work));
            ceilings.Add(Rate(() => Copy(shards)));
        }

        var ratios = rates.Zip(ceilings, (rate, ceiling) => rate / ceiling).ToList();
        return new BenchResult(
            "data " + name, shape, $"u{8 * shards[0].Header.TokenBytes}", 1, KernelBench.Quantile(rates, 0.5), "MB/s", KernelBench.Quantile(ceilings, 0.5),
            KernelBench.Quantile(ratios, 0.5), rates.Count, KernelBench.HalfRange(ratios));
    }

    private static double Rate(Func<long> work)
    {
        long start = Stopwatch.GetTimestamp();
        long bytes = work();
        return bytes / 1e6 / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static long InOrder(IReadOnlyList<TokenShard> shards)
    {
        int[] ids = new int[BlockTokens];
        return Walk(shards, (shard, start, count) =>
        {
            shard.Read(start, ids.AsSpan(0, count));
            _sink += ids[0];
        });
    }

    private static long Copy(IReadOnlyList<TokenShard> shards)
    {
        byte[] block = new byte[BlockTokens * sizeof(int)];
        return Walk(shards, (shard, start, count) =>
        {
            shard.Stored(start, count).CopyTo(block);
            _sink += block[0];
        });
    }

    private static long Walk(IReadOnlyList<TokenShard> shards, Action<TokenShard, long, int> visit)
    {
        long bytes = 0;
        foreach (var shard in shards)
        {
            for (long start = 0; start < shard.Header.Tokens; start += BlockTokens)
            {
                visit(shard, start, (int)Math.Min(BlockTokens, shard.Header.Tokens - start));
            }

            bytes += shard.Header.Tokens * shard.Header.TokenBytes;
        }

        return bytes;
    }

    private static long Packed(BatchPacker packer, long tokens)
    {
        long packed = 0;
        while (packed < tokens)
        {
            packed += packer.Next().Ids.Length;
        }

        return packed;
    }
}
