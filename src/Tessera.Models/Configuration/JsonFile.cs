using System.Text.Json;
using System.Text.Unicode;

namespace Tessera.Models.Configuration;

/// <summary>Loads small JSON files of strangers: bounded in size and depth, valid UTF-8, no key twice.</summary>
internal static class JsonFile
{
    private const int MaximumDepth = 32;

    public static JsonDocument Load(string path)
    {
        byte[] bytes = ReadBytes(path);
        ReadOnlyMemory<byte> text = bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
        if (!Utf8.IsValid(text.Span))
        {
            throw new InvalidDataException($"{path}: the file is not valid UTF-8");
        }

        try
        {
            var options = new JsonDocumentOptions { MaxDepth = MaximumDepth, AllowDuplicateProperties = false };
            return JsonDocument.Parse(text, options);
        }
        catch (JsonException error)
        {
            string what = error.Message.Contains("uplicate", StringComparison.Ordinal) ? "has a key twice" : "is not valid JSON";
            string where = error.LineNumber is { } line ? $" at line {line + 1}, byte {error.BytePositionInLine + 1}" : string.Empty;
            throw new InvalidDataException($"{path}: the file {what}{where}");
        }
        catch (InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: the file contains a string that is not valid Unicode");
        }
    }

    private static byte[] ReadBytes(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: there is no such file");
        }

        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        if (stream.Length > ConfigurationLimits.FileBytes)
        {
            throw new InvalidDataException(
                $"{path}: the file has {stream.Length} bytes, expected at most {ConfigurationLimits.FileBytes}");
        }

        byte[] bytes = new byte[stream.Length];
        int count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return count == bytes.Length ? bytes : bytes[..count];
    }
}
