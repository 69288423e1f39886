using System.Buffers.Binary;
using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;

namespace Tessera.Runs;

/// <summary>SHA-256 in lower-case hexadecimal over files, texts and named values: the identity of inputs and settings.</summary>
public static class ContentHash
{
    /// <summary>Characters of a short hash: 48 bits, enough for the folders of one root.</summary>
    public const int ShortLength = 12;

    /// <summary>Hash of a file's bytes, 64 characters.</summary>
    public static string OfFile(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>
    /// Hash of a folder's files by their relative paths, 64 characters: the same wherever the folder lies. Empty <c>.lock</c>
    /// files, which only say who writes, do not count; folders behind links are not entered.
    /// </summary>
    public static string OfFolder(string path)
    {
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };
        var files = new FileSystemEnumerable<string>(Path.GetFullPath(path), (ref entry) => entry.ToFullPath(), all)
        {
            ShouldIncludePredicate = (ref entry) => !entry.IsDirectory && !(entry.FileName.EndsWith(".lock") && entry.Length == 0),
            ShouldRecursePredicate = (ref entry) => !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
        return OfNamed(files.Select(file => KeyValuePair.Create(
            Path.GetRelativePath(path, file).Replace(Path.DirectorySeparatorChar, '/'), OfFile(file))));
    }

    /// <summary>Hash of a text's UTF-8 bytes, 64 characters.</summary>
    public static string OfText(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>
    /// Hash of named values, 64 characters, independent of their order. Every name and value is preceded by its length, so
    /// moving a character from one to the other changes the hash.
    /// </summary>
    /// <exception cref="ArgumentException">A name occurs twice.</exception>
    public static string OfNamed(IEnumerable<KeyValuePair<string, string>> values)
    {
        KeyValuePair<string, string>[] sorted = [.. values.OrderBy(pair => pair.Key, StringComparer.Ordinal)];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0; i < sorted.Length; i++)
        {
            if (i > 0 && sorted[i].Key == sorted[i - 1].Key)
            {
                throw new ArgumentException($"The name '{sorted[i].Key}' occurs twice among the values to hash.", nameof(values));
            }

            Append(hash, sorted[i].Key);
            Append(hash, sorted[i].Value);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The first <see cref="ShortLength"/> characters.</summary>
    public static string Short(string hash) => hash[..ShortLength];

    private static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
