using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Tessera.Cli.Data.Shards;
using Tessera.Models.Tokenizers;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Tests.Data;

/// <summary>A scratch folder with text in every form that tokenising takes, and ways to look at what came out.</summary>
internal sealed class CorpusFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("tessera-corpus-").FullName;

    public string At(string name) => Path.Combine(Root, name);

    public string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    public string Write(string name, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        File.WriteAllBytes(At(name), content);
        return At(name);
    }

    public string WritePacked(string name, string content)
    {
        using var bytes = new MemoryStream();
        using (var packed = new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
        {
            packed.Write(Encoding.UTF8.GetBytes(content));
        }

        return Write(name, bytes.ToArray());
    }

    public static string Rows(IEnumerable<string> texts, string field = "text") =>
        string.Concat(texts.Select(text => JsonSerializer.Serialize(new Dictionary<string, string> { [field] = text }) + "\n"));

    /// <summary>Texts of a few words, all different.</summary>
    public static string[] Texts(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => $"{seed}.{i}: {string.Join(' ', Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(1000)))} é")];
    }

    /// <summary>Makes the folder of a few files with 200 documents, rows and text, some packed; the documents in order.</summary>
    public string[] Mixed()
    {
        string[] texts = [.. Texts(197, 1), new string('7', 5000), "tail\r\nend", "\uFEFFkept within"];
        Write("in/a.jsonl", Rows(texts[..60]).Replace("\n", "\r\n", StringComparison.Ordinal) + "\n  \n");
        WritePacked("in/b/deep.jsonl.gz", Rows(texts[60..100]));
        Write("in/c.txt", "\uFEFF" + string.Join("<|endoftext|>\n", texts[100..150]) + "<|endoftext|>\n\n<|endoftext|>");
        WritePacked("in/d.txt.gz", string.Join("<|endoftext|>", texts[150..]));
        Write("in/e.bin", [0xFF, 0]);
        Write("in/empty.txt", "");
        return texts;
    }

    /// <summary>All documents of a split in the order of its shards.</summary>
    public static List<int[]> Documents(IReadOnlyList<TokenShard> shards)
    {
        var documents = new List<int[]>();
        foreach (var shard in shards)
        {
            for (long i = 0; i < shard.Header.Documents; i++)
            {
                var (start, end) = shard.Range(i);
                int[] ids = new int[end - start];
                shard.Read(start, ids);
                documents.Add(ids);
            }
        }

        return documents;
    }

    public static ShardBuilder Builder(ICorpus corpus, Tokenizer tokenizer, string folder, ShardSettings settings) =>
        new(corpus, tokenizer, settings, "corpus", folder) { BatchDocuments = 16 };

    /// <summary>Names and contents of a folder's files.</summary>
    public static Dictionary<string, string> Contents(string folder) =>
        Directory.GetFiles(folder).ToDictionary(path => Path.GetFileName(path)!, path => Convert.ToHexString(File.ReadAllBytes(path)));

    public CorpusFiles Corpus(string field = "text") => CorpusFiles.Of([At("in")], field);

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
