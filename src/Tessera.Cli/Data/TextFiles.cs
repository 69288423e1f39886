using System.Text;
using System.Text.Json;

namespace Tessera.Cli.Data;

/// <summary>Documents from text files and JSON lines.</summary>
internal static class TextFiles
{
    /// <summary>What stands between two documents of a text file.</summary>
    public const string Border = "<|endoftext|>";

    /// <summary>The field of a row that is its text.</summary>
    public const string TextField = "text";

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
        ReadStrict(path).Split(Border).Select(part => part.Trim('\n')).Where(part => part.Length > 0);

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

            yield return ReadRow(path, line, Encoding.UTF8.GetBytes(row), TextField);
        }
    }

    /// <summary>The text of a row.</summary>
    /// <param name="path">Its file, for messages.</param>
    /// <param name="line">Its line, for messages.</param>
    /// <param name="row">Its bytes, valid UTF-8.</param>
    /// <param name="field">The field that is wanted.</param>
    /// <exception cref="InvalidDataException">It is not JSON, or the field is no text; one sentence with file and line.</exception>
    public static string ReadRow(string path, long line, ReadOnlyMemory<byte> row, string field)
    {
        try
        {
            using var document = JsonDocument.Parse(row);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty(field, out var text) && text.ValueKind == JsonValueKind.String
                ? text.GetString()!
                : throw new InvalidDataException($"{path}: line {line} has no string field {field}");
        }
        catch (JsonException)
        {
            throw new InvalidDataException($"{path}: line {line} is not JSON");
        }
        catch (InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: line {line} has a field {field} that is not valid Unicode");
        }
    }
}
