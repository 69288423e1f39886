using System.Text.Json;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Tables;
using Tessera.Runs;

namespace Tessera.Puzzle.Reports;

/// <summary>
/// What a compression left in its folder, for reports: only files are read, so a report can be made again at any time, of runs of earlier
/// versions as well. What such a version did not leave is absent here.
/// </summary>
public sealed class CompressionRun
{
    private const string ResultName = "result.json";
    private readonly bool _isStage;

    private CompressionRun(string root, string name, CompressionResult result, bool isStage)
    {
        (Folder, Name, Result, _isStage) = (root, name, result, isStage);
        Stages = ReadStages();
        Tables = ReadTables();
        BlockErrors = ReadBlockErrors();
        PairErrors = PathOf("pairs", "pairs.json") is { } pairs
            ? JsonSerializer.Deserialize(File.ReadAllText(pairs), PuzzleJson.Default.PairEntryArray) ?? [] : [];
        Healing = PathOf("heal", "metrics.jsonl") is { } metrics ? [.. MetricsWriter.Read(metrics)] : [];
        Dependency = PathOf("fuse", "dependency.json") is { } dependency
            ? JsonSerializer.Deserialize(File.ReadAllText(dependency), PuzzleJson.Default.DependencyMatrix) : null;
    }

    /// <summary>Name of the run's folder.</summary>
    public string Name { get; }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>What it found.</summary>
    public CompressionResult Result { get; }

    /// <summary>Scores and costs that the choice was made from; null where they are missing or belong to another result.</summary>
    public SearchTables? Tables { get; }

    /// <summary>Normalised errors of the library's halves, in order of layers.</summary>
    public IReadOnlyList<LibraryEntry> BlockErrors { get; }

    /// <summary>Normalised errors of pairs that were trained as one block; empty where distillation was decoupled.</summary>
    public IReadOnlyList<PairEntry> PairErrors { get; }

    /// <summary>The healing's metrics; empty where nothing was healed.</summary>
    public IReadOnlyList<MetricsRow> Healing { get; }

    /// <summary>Dependencies of the assembled child's layers; null where fusion was not asked for.</summary>
    public DependencyMatrix? Dependency { get; }

    /// <summary>Manifests of the stages that the result was made of, in the order in which they were begun, with their folders.</summary>
    public IReadOnlyList<(string Folder, RunManifest Manifest)> Stages { get; }

    /// <summary>Whether the run asked for fusion.</summary>
    public bool HasFusion => Result.Fusion is not null || Stages.Any(stage => stage.Manifest.Stage == "fuse");

    /// <summary>The parent.</summary>
    public CandidateResult Parent => Result.Candidates[0];

    /// <summary>The child as assembled, nothing healed.</summary>
    public CandidateResult Child => Result.Candidates[1];

    /// <summary>The written child's weights in bytes; null where its folder is gone or holds another result's child.</summary>
    public long? WrittenBytes
    {
        get
        {
            // The child below a folder that was used several times is the last result's.
            string folder = Path.Combine(Folder, Result.ChildFolder);
            string[] files = !_isStage && Directory.Exists(folder) ? Directory.GetFiles(folder, "*.safetensors") : [];
            return files.Length > 0 ? files.Sum(file => new FileInfo(file).Length) : null;
        }
    }

    /// <summary>Reads a run.</summary>
    /// <param name="folder">A folder given to <c>compress --out</c>, or one of the <c>result-HASH</c> folders in it.</param>
    /// <exception cref="InvalidDataException">It holds no finished compression, or a file of it is damaged; one sentence.</exception>
    public static CompressionRun Read(string folder)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string path = Path.Combine(full, ResultName);
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{folder}: there is no {ResultName}: expected the folder of a finished compress");
        }

        bool isStage = File.Exists(Path.Combine(full, RunFolder.ManifestName)) && RunManifest.Read(full).Stage == "result";
        try
        {
            var result = JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.CompressionResult);
            return result is { Candidates.Count: > 1 }
                ? new CompressionRun(isStage ? Path.GetDirectoryName(full)! : full, NameOf(full, isStage), result, isStage)
                : throw new InvalidDataException($"{path}: expected the result of a compress with parent and child");
        }
        catch (JsonException damage)
        {
            throw new InvalidDataException($"{path}: not the result of a compress, field '{damage.Path ?? "$"}' is missing or malformed", damage);
        }
    }

    /// <summary>Predicted amounts of a candidate in the run's load; null without tables that hold its blocks.</summary>
    public Targets.Amounts? PredictedAmounts(CandidateResult candidate)
    {
        if (Tables is null || candidate.Layers.Count != Tables.Layers.Count)
        {
            return null;
        }

        var problem = new TableProblem(Tables, [Tables.Loads[0]], VariantFilter.None);
        var total = problem.Base(problem.Loads[0]);
        for (int layer = 0; layer < candidate.Layers.Count; layer++)
        {
            if (VariantOf(Tables, layer, candidate.Layers[layer]) is not { } variant)
            {
                return null;
            }

            total += problem.Cost(problem.Loads[0], variant);
        }

        return total;
    }

    /// <summary>The parent as it was timed beside a candidate: a fused child's is timed again, in turn with it.</summary>
    public CandidateResult ParentOf(CandidateResult candidate) => Result.Candidates.Contains(candidate) ? Parent : Result.DeliveredParent;

    /// <summary>The standard error of a candidate's summed scores, layers taken as independent; null where it is not known.</summary>
    public double? PredictedError(CandidateResult candidate) => Tables is null || candidate.Layers.Count != Tables.Layers.Count ? null
        : Math.Sqrt(candidate.Layers.Select((label, layer) => Math.Pow(VariantOf(Tables, layer, label)?.StandardError ?? 0, 2)).Sum());

    private static ScoredVariant? VariantOf(SearchTables tables, int layer, string label) =>
        tables.Layers[layer].Variants.FirstOrDefault(variant => variant.Label == label);

    private static string NameOf(string folder, bool isStage) => isStage
        ? $"{Path.GetFileName(Path.GetDirectoryName(folder))}/{Path.GetFileName(folder)}" : Path.GetFileName(folder);

    private List<(string Folder, RunManifest Manifest)> ReadStages()
    {
        // Earlier results do not name their stages; the latest of each name is theirs unless the folder was used again since.
        var all = Directory.GetDirectories(Folder).Where(folder => File.Exists(Path.Combine(folder, RunFolder.ManifestName)))
            .Select(folder => (Folder: folder, Manifest: RunManifest.Read(folder)));
        return [.. (Result.StageFolders is { } named
            ? all.Where(stage => named.Values.Contains(Path.GetFileName(stage.Folder)))
            : all.GroupBy(stage => stage.Manifest.Stage).Select(group => group.MaxBy(stage => stage.Manifest.StartedUtc)))
            .OrderBy(stage => stage.Manifest.StartedUtc).ThenBy(stage => stage.Folder, StringComparer.Ordinal)];
    }

    private string? PathOf(string stage, string file)
    {
        string? folder = Stages.FirstOrDefault(found => found.Manifest.Stage == stage).Folder;
        return folder is not null && File.Exists(Path.Combine(folder, file)) ? Path.Combine(folder, file) : null;
    }

    /// <summary>The tables of the same parent; those of an earlier result only where they still predict what it says was predicted.</summary>
    private SearchTables? ReadTables()
    {
        string path = Path.Combine(Folder, "tables.json");
        if (!File.Exists(path))
        {
            return null;
        }

        var tables = SearchTablesReader.Read(path);
        return tables.Layers.Count == Parent.Layers.Count
            && tables.Layers.Zip(Parent.Layers).All(pair => $"{pair.First.Mixer} {pair.First.FeedForward}" == pair.Second)
            && (!_isStage || Math.Abs(Child.Layers.Select((label, layer) => VariantOf(tables, layer, label)?.Score ?? double.NaN).Sum() - Child.PredictedDivergence)
                <= 1e-9 * Child.PredictedDivergence)
                ? tables : null;
    }

    private List<LibraryEntry> ReadBlockErrors()
    {
        if (PathOf("library", "library.json") is { } index)
        {
            return [.. JsonSerializer.Deserialize(File.ReadAllText(index), PuzzleJson.Default.LibraryEntryArray) ?? []];
        }

        // The form before libraries had an index: {"key":"3/mixer-kv2","value":{"before":…,"after":…}}.
        return PathOf("library", "quality.jsonl") is not { } quality ? [] : [.. JsonLinesLog.Read(quality).Select(line =>
        {
            string[] key = line.GetProperty("key").GetString()!.Split('/', 2);
            var value = line.GetProperty("value");
            return new LibraryEntry(
                int.Parse(key[0], System.Globalization.CultureInfo.InvariantCulture), key[1], StoredAs.File, null,
                value.GetProperty("before").GetDouble(), value.GetProperty("after").GetDouble(), 0);
        })];
    }
}
