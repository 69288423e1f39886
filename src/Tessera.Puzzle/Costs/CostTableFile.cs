using System.Text.Json;
using Tessera.Runs;

namespace Tessera.Puzzle.Costs;

/// <summary>Cost tables on disk: one table, or several named ones (<see cref="CostSet"/>).</summary>
public static class CostTableFile
{
    /// <summary>Reads one table.</summary>
    /// <exception cref="InvalidDataException">It is missing, not a cost table, or holds several.</exception>
    public static CostTable Read(string path) => ReadSet(path) is { Loads: [var single] }
        ? single
        : throw new InvalidDataException($"{path}: there are several cost tables, expected one");

    /// <summary>Reads all tables of a file.</summary>
    /// <exception cref="InvalidDataException">It is missing or holds no cost tables.</exception>
    public static CostSet ReadSet(string path)
    {
        try
        {
            byte[] bytes = File.ReadAllBytes(path);
            using var document = JsonDocument.Parse(bytes);
            var set = document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("loads", out _)
                ? document.Deserialize(PuzzleJson.Default.CostSet)
                : document.Deserialize(PuzzleJson.Default.CostTable) is { } single ? new CostSet { Loads = [single] } : null;
            return set is null or { Loads.Count: 0 } || set.Loads.Any(table => table is null)
                ? throw new InvalidDataException($"{path}: this is not a cost table")
                : set.Version == CostSet.CurrentVersion
                    ? set
                    : throw new InvalidDataException($"{path}: version is {set.Version}, expected {CostSet.CurrentVersion}");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: this is not a cost table ({error.Message.ReplaceLineEndings(" ")})");
        }
        catch (FileNotFoundException)
        {
            throw new InvalidDataException($"{path}: no such file");
        }
    }

    /// <summary>The text of a file: the table itself where it is one without a name, else the set.</summary>
    public static string Text(CostSet set) => set.Loads is [{ Name: null } single]
        ? JsonSerializer.Serialize(single, PuzzleJson.Default.CostTable)
        : JsonSerializer.Serialize(set, PuzzleJson.Default.CostSet);

    /// <summary>Writes a file, whole or not at all.</summary>
    public static void Write(string path, CostSet set) => AtomicFile.WriteAllText(path, Text(set));
}
