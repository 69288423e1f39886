using System.Text.Json;

namespace Tessera.Cli.Data;

/// <summary>Lists of token ids from a file: JSON lists one behind the other, as a rule one a line.</summary>
internal static class TokenLists
{
    private const long MostBytes = 1L << 30;

    /// <summary>Reads all lists and checks every id.</summary>
    /// <exception cref="InvalidDataException">The file is missing, holds no list, or something else than ids of the vocabulary.</exception>
    public static List<int[]> Read(string path, int vocabulary)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new InvalidDataException($"{path}: no such file");
        }

        if (file.Length > MostBytes)
        {
            throw new InvalidDataException($"{path}: the file has {file.Length:N0} bytes, expected at most {MostBytes:N0}");
        }

        byte[] bytes = File.ReadAllBytes(path);
        var lists = new List<int[]>();
        try
        {
            var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { AllowMultipleValues = true });
            while (reader.Read())
            {
                lists.Add(ReadList(ref reader, $"{path}: list {lists.Count + 1}", vocabulary));
            }
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: line {error.LineNumber + 1} is not JSON");
        }

        return lists.Count > 0 ? lists : throw new InvalidDataException($"{path}: there is no list of ids in it");
    }

    private static int[] ReadList(ref Utf8JsonReader reader, string where, int vocabulary)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new InvalidDataException($"{where} is not a JSON list of ids");
        }

        var ids = new List<int>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0 || id >= vocabulary)
            {
                throw new InvalidDataException($"{where}, element {ids.Count} is not an id from 0 to {vocabulary - 1}");
            }

            ids.Add(id);
        }

        return ids.Count > 0 ? [.. ids] : throw new InvalidDataException($"{where} is empty, expected at least one id");
    }
}
