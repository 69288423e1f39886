using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Tessera.Cli.Data.Blends;
using Tessera.Cli.Tests.Data;
using Tessera.Devices;
using Tessera.Models.Tests.Tokenizers;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Token shards, their index, and blend files under fire.</summary>
internal static class ShardTargets
{
    private const int Header = 128;

    public static IReadOnlyList<FuzzTarget> Of() => [Shard(), Index(), Blend()];

    private static FuzzTarget Shard()
    {
        byte[][] originals = [Write(300, null, null), Write(70_000, null, null), Write(300, 7, 8)];
        string[] fields =
        [
            "bytes", "magic", "version", "checksum", "vocabulary", "begin", "end", "tokens", "documents", "token width", "reserved", "offset", "token ",
        ];
        return new FuzzTarget("shard", "train-00000.tokens", originals, UseShard, fields, [ByteMutator.Apply, Sealed, Sealed, Sealed]);
    }

    /// <summary>Reads every byte and every document, as training does and as inspecting does.</summary>
    private static void UseShard(string path)
    {
        using var shard = TokenShard.Open(path);
        for (long i = 0; i < shard.Header.Documents; i++)
        {
            var (start, end) = shard.Range(i);
            int[] ids = new int[end - start];
            shard.Read(start, ids);
            Assert.All(ids, id => Assert.InRange(id, 0, shard.Header.Vocabulary - 1));
        }

        if (shard.Header.Tokens > 0)
        {
            var pieces = new ShardDocuments([shard], shard.Header.Begin, 5, 1);
            for (long i = 0; i < pieces.Count; i++)
            {
                Assert.InRange(pieces.Get(i).Ids.Length, 2, 5);
            }
        }

        shard.Verify();
    }

    private static FuzzTarget Index()
    {
        byte[] shard = Write(300, null, null);
        string hash = Convert.ToHexStringLower(shard.AsSpan(80, 32)), tokenizer = new('a', 64);
        string index = $$"""
            {"version": 1, "identity": "{{tokenizer}}", "tokenizer": "{{tokenizer}}", "vocabulary": 300, "begin": null, "end": null, "validation_share": 0.01, "empty": 2,
            "train": [{"file": "train-00000.tokens", "documents": 5, "tokens": {{BinaryPrimitives.ReadInt64LittleEndian(shard.AsSpan(24))}}, "sha256": "{{hash}}"}],
            "validation": [], "inputs": [{"name": "a.jsonl", "bytes": 17, "sha256": "{{tokenizer}}"}]}
            """;
        return new FuzzTarget(
            "shard index", ShardIndex.FileName, [Encoding.UTF8.GetBytes(index)],
            path =>
            {
                string folder = Path.GetDirectoryName(path)!;
                File.WriteAllBytes(Path.Combine(folder, "train-00000.tokens"), shard);
                using var opened = ShardFolder.Open(folder);
                Assert.Equal(opened.Index.Train.Sum(entry => entry.Tokens), CorpusFolder.Documents(opened.Train).Sum(ids => (long)ids.Length));
            },
            [
                "the file", "version", "identity", "tokenizer", "vocabulary", "begin", "end", "validation_share", "empty", "train", "validation", "inputs", "documents",
                "tokens", "checksum", "unknown", "no such file",
            ],
            [ByteMutator.Apply, JsonMutator.Apply, JsonMutator.Apply]);
    }

    private static FuzzTarget Blend() => new(
        "blend", "blend.yaml",
        [
            "sources:\n  web: {shards: web, weight: 2}\n  prose:\n    text: [a.txt, b.jsonl]\nphases:\n  - {until: 1.5M}\n  - until: 2B\n    weights: {web: 0, prose: 1e-3}\n  - {}\n"u8.ToArray(),
            "sources: {\"sums\": {tasks: \"add,compare\", levels: '1,2', weight: 0.5}, a: {text: x}}\n"u8.ToArray(),
        ],
        path =>
        {
            var plan = BlendFile.Read(path);
            Assert.All(plan.Phases, phase => Assert.Contains(phase.Weights, weight => weight > 0));
            _ = new Training.Data.Blends.BlendSource(
                [.. plan.Sources.Select(source => new Training.Data.Blends.BlendPart(source.Name, null!, 1))], plan.Phases);
        },
        ["line ", "the file is empty", "byte "], [ByteMutator.Apply]);

    /// <summary>Damage behind true checksums, of the header always and of the data sometimes, so that it reaches the checks behind.</summary>
    private static byte[] Sealed(byte[] original, byte[] other, ref CounterRandom random)
    {
        byte[] bytes;
        if (random.Next(3) == 0)
        {
            // A number of the header or an offset, at its limits.
            bytes = [.. original];
            int words = (bytes.Length - 8) / 4;
            int place = 4 * (random.Next(2) == 0 ? 2 + random.Next(10) : random.Next(words));
            long value = random.Next(4) switch { 0 => random.Next(400), 1 => -1, 2 => long.MaxValue, _ => 1L << random.Next(63) };
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(place), value);
        }
        else
        {
            bytes = ByteMutator.Apply(original, other, ref random);
        }

        if (bytes.Length < Header)
        {
            return bytes;
        }

        if (random.Next(2) == 0)
        {
            SHA256.HashData(bytes.AsSpan(Header)).CopyTo(bytes, 80);
        }

        uint sum = uint.MaxValue;
        foreach (byte value in bytes.AsSpan(0, Header - 4))
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Header - 4), ~sum);
        return bytes;
    }

    private static byte[] Write(int vocabulary, int? begin, int? end)
    {
        using var folder = new ScratchFolder();
        string path = Path.Combine(folder.Path, "shard.tokens");
        var layout = new ShardHeader
        {
            Documents = 0,
            Tokens = 0,
            Vocabulary = vocabulary,
            Begin = begin,
            End = end,
            Tokenizer = new string('a', 64),
            Data = new string('0', 64),
        };
        using (var writer = new TokenShardWriter(path, layout))
        {
            foreach (int length in (int[])[4, 1, 17, 60, 9])
            {
                int[] ids = [.. Enumerable.Range(0, length).Select(i => (i * 7919) % vocabulary)];
                writer.Append([.. begin is { } first ? (int[])[first] : [], .. ids, .. end is { } last ? (int[])[last] : []]);
            }

            writer.Finish();
        }

        return File.ReadAllBytes(path);
    }
}
