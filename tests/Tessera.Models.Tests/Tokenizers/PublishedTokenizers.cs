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
        return Loaded.GetOrAdd(path, _ => new Lazy<Tokenizer>(() => Tokenizer.Load(path))).Value;
    }

    /// <summary>A file below the shared data, or by a vocabulary's name its tokenizer.json.</summary>
    public static string PathOf(string name) => name == "tinystories-656k"
        ? SharedData.Require("models", name, "tokenizer.json")
        : name.Contains('/', StringComparison.Ordinal) ? SharedData.Require(name.Split('/')) : SharedData.Require("tokenizers", name, "tokenizer.json.gz");

    /// <summary>The plain JSON of a compressed tokenizer.</summary>
    public static byte[] ReadJson(string path)
    {
        using var stream = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        stream.CopyTo(plain);
        return plain.ToArray();
    }
}
