using System.Text;
using System.Text.Json;

namespace Tessera.Cli.Data;

/// <summary>Documents from text files and JSON lines.</summary>
internal static class TextFiles
{
    private const string StoryBorder = "<|endoftext|>";

    /// <summary>
    /// The documents of files: rows' <c>text</c> for <c>.jsonl</c>; otherwise the parts between <c>&lt;|endoftext|&gt;</c>
    /// markers, the whole file where there are none.
    /// </summary>
    /// <exception cref="InvalidDataException">A file is missing, empty, not UTF-8, or a row has no text.</exception>
    public static List<string> ReadDocuments(IEnumerable<string> paths)
    {
        var documents = new List<string>();
        foreach (string path in paths)
        {
            int before = documents.Count;
            documents.AddRange(path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) ? ReadRows(path) : ReadParts(path));
            if (documents.Count == before)
            {
                throw new InvalidDataException($"{path}: there is no text in it");
            }
        }

        return documents;
    }

    /// <summary>A whole file as strict UTF-8.</summary>
    public static string ReadStrict(string path)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: no such file");
        }

        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path)).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException error)
        {
            throw new InvalidDataException($"{path}: byte {error.Index} is not UTF-8");
        }
    }

    private static IEnumerable<string> ReadParts(string path) =>
        ReadStrict(path).Split(StoryBorder).Select(part => part.Trim('\n')).Where(part => part.Length > 0);

    private static IEnumerable<string> ReadRows(string path)
    {
        int line = 0;
        foreach (string row in ReadStrict(path).Split('\n'))
        {
            line++;
            if (string.IsNullOrWhiteSpace(row))
            {
                continue;
            }

            yield return ReadRow(path, line, row);
        }
    }

    private static string ReadRow(string path, int line, string row)
    {
        try
        {
            using var document = JsonDocument.Parse(row);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
                ? text.GetString()!
                : throw new InvalidDataException($"{path}: line {line} has no string field text");
        }
        catch (JsonException)
        {
            throw new InvalidDataException($"{path}: line {line} is not JSON");
        }
        catch (InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: line {line} has a field text that is not valid Unicode");
        }
    }
}
