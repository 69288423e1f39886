using System.IO.Compression;

namespace Tessera.Models.Tokenizers;

/// <summary>Finds a tokenizer's file and reads whichever kind it is. The contents tell the kind, but for two that have none.</summary>
internal static class TokenizerFile
{
    /// <summary>The most bytes that a file may have, compressed or not; the largest published ones have 35 MB.</summary>
    public const int SizeLimit = 256 << 20;

    // In the order in which a folder is searched: the most telling form first.
    private static readonly string[] Names = ["tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer.bin"];

    /// <summary>All names that files of a tokenizer have in a folder, apart from <c>tokenizer_config.json</c>.</summary>
    public static IReadOnlyList<string> AllNames { get; } = [.. Names.Append("merges.txt").SelectMany(name => (string[])[name, name + ".gz"])];

    /// <summary>The names that a folder is searched for; each may also end in <c>.gz</c>.</summary>
    public static string KnownNames => string.Join(", ", Names);

    /// <summary>The file in a folder that describes a tokenizer, or null.</summary>
    public static string? Find(string folder) => Names
        .SelectMany(name => (string[])[name, name + ".gz"])
        .Select(name => Path.Combine(folder, name))
        .FirstOrDefault(path => File.Exists(path) && (!Path.GetFileName(path).StartsWith("vocab", StringComparison.Ordinal) || BytePairFiles.HasMerges(path)));

    /// <summary>Reads a file.</summary>
    public static TokenizerParts Read(string path)
    {
        string name = Path.GetFileName(path);
        name = name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? name[..^3] : name;
        if (name is "vocab.json" or "merges.txt")
        {
            return BytePairFiles.Read(path);
        }

        ReadOnlyMemory<byte> bytes = ReadBytes(path);
        if (name.EndsWith(".bin", StringComparison.Ordinal))
        {
            return ScoredTokensReader.Read(path, bytes);
        }

        ReadOnlySpan<byte> start = bytes.Span.TrimStart(" \t\r\n"u8);
        return start.StartsWith("{"u8) || start.StartsWith("\uFEFF"u8) || name.EndsWith(".json", StringComparison.Ordinal) ? TokenizerReader.Read(path, bytes)
            : RankFileReader.Recognises(bytes.Span) ? RankFileReader.Read(path, bytes)
            : SentencePieceReader.Read(path, bytes);
    }

    /// <summary>A file's bytes, unpacked where they are gzip's.</summary>
    public static ReadOnlyMemory<byte> ReadBytes(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        if (stream.Length > SizeLimit)
        {
            throw TooLarge(path, $"{stream.Length}");
        }

        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]) ? Unpack(path, bytes) : bytes;
    }

    private static ReadOnlyMemory<byte> Unpack(string path, byte[] bytes)
    {
        try
        {
            using var source = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
            byte[] plain = new byte[Math.Min(SizeLimit, (5L * bytes.Length) + 1024)];
            int count = 0;
            while (true)
            {
                int read = source.Read(plain, count, plain.Length - count);
                if (read == 0 && count < plain.Length)
                {
                    return plain.AsMemory(0, count);
                }

                count += read;
                if (count == plain.Length)
                {
                    if (count == SizeLimit)
                    {
                        throw TooLarge(path, $"{SizeLimit} or more unpacked");
                    }

                    Array.Resize(ref plain, (int)Math.Min(SizeLimit, 2L * count));
                }
            }
        }
        catch (InvalidDataException problem) when (!problem.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{path}: the document starts as gzip data, but is damaged: {problem.Message.TrimEnd('.')}.", problem);
        }
    }

    private static InvalidDataException TooLarge(string path, string size) =>
        new($"{path}: the document has {size} bytes, more than the {SizeLimit} that a tokenizer may have.");
}
