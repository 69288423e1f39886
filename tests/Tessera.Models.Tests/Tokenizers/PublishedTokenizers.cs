using System.Collections.Concurrent;
using System.IO.Compression;
using Tessera.Models.Tokenizers;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>Published tokenizers from the shared data, each loaded once for all tests.</summary>
internal static class PublishedTokenizers
{
    private static readonly ConcurrentDictionary<string, Lazy<Tokenizer>> Loaded = new();

    public static Tokenizer Get(string name)
    {
        string path = PathOf(name);
        return Loaded.GetOrAdd(name, _ => new Lazy<Tokenizer>(() => Load(path))).Value;
    }

    public static string PathOf(string name) => name == "tinystories-656k"
        ? SharedData.Require("models", name, "tokenizer.json")
        : SharedData.Require("tokenizers", name, "tokenizer.json.gz");

    /// <summary>The plain JSON of a compressed tokenizer.</summary>
    public static byte[] ReadJson(string path)
    {
        using var stream = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        stream.CopyTo(plain);
        return plain.ToArray();
    }

    private static Tokenizer Load(string path)
    {
        if (!path.EndsWith(".gz", StringComparison.Ordinal))
        {
            return Tokenizer.Load(path);
        }

        using var folder = new ScratchFolder();
        return Tokenizer.Load(folder.Write("tokenizer.json", ReadJson(path)));
    }
}
