using System.Text.Json;
using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;
using Tessera.Puzzle;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Tables;
using Tessera.Runs;

namespace Tessera.Cli.Cards;

/// <summary>Where a model came from, as far as its folder and the run around it tell.</summary>
internal sealed record RunOrigin
{
    /// <summary>What the compression found, where the model is the child of one; else null.</summary>
    public CompressionResult? Result { get; init; }

    /// <summary>The tables it was searched in, or null.</summary>
    public SearchTables? Tables { get; init; }

    /// <summary>The manifest of the stage that wrote it, or null.</summary>
    public RunManifest? Manifest { get; init; }

    /// <summary>Strings that its weights' file holds.</summary>
    public IReadOnlyDictionary<string, string> Notes { get; init; } = new Dictionary<string, string>();

    /// <summary>The card that lies beside it, or null.</summary>
    public string? OldCard { get; init; }

    /// <summary>Looks beside a model for what made it. What is damaged counts as missing: a card is no reason to fail.</summary>
    /// <param name="model">Folder of the model, or a GGUF file, which has nothing beside it.</param>
    public static RunOrigin Of(string model)
    {
        if (GgufModel.IsNamed(model) || !Directory.Exists(model))
        {
            return new RunOrigin();
        }

        string folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(model));
        string? run = Path.GetDirectoryName(folder);
        var result = run is null ? null : Try(() => ReadResult(Path.Combine(run, "result.json")));
        bool isChild = result?.ChildFolder == Path.GetFileName(folder);
        return new RunOrigin
        {
            Result = isChild ? result : null,
            Tables = isChild ? Try(() => SearchTablesReader.Read(Path.Combine(run!, "tables.json"))) : null,
            Manifest = isChild ? Directory.EnumerateDirectories(run!, "heal-*").Select(stage => Try(() => RunFolder.ReadManifest(stage)))
                .OfType<RunManifest>().MaxBy(manifest => manifest.StartedUtc) : null,
            Notes = Try(() => Notes(folder)) ?? new Dictionary<string, string>(),
            OldCard = Try(() => File.ReadAllText(Path.Combine(folder, ModelCard.FileName))),
        };

        static IReadOnlyDictionary<string, string> Notes(string path)
        {
            using var checkpoint = SafetensorsCheckpoint.Open(path);
            return checkpoint.Files[0].Metadata;
        }
    }

    private static CompressionResult? ReadResult(string path) =>
        JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.CompressionResult);

    private static T? Try<T>(Func<T?> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is IOException or InvalidDataException or JsonException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
