using System.Text.Json;
using Tessera.Devices;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Puzzle.Tests.Tables;
using Tessera.Runs;

namespace Tessera.Puzzle.Tests.Reports;

/// <summary>Folders as a compression leaves them, made without computing one.</summary>
internal sealed class SampleRun : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tessera-report-").FullName;

    public string Folder(string name) => Path.Combine(_root, name);

    /// <summary>Writes a run.</summary>
    /// <param name="name">Its folder.</param>
    /// <param name="realised">Realised KL of the child; null for the predicted.</param>
    /// <param name="seed">Of the tables.</param>
    /// <param name="losses">The healing's setting.</param>
    /// <param name="namesStages">Whether the result names its stages, as those of earlier versions do not.</param>
    /// <param name="change">What happens to the tables before they are written.</param>
    public CompressionResult Write(
        string name, double? realised = null, int seed = 1, string losses = "cosine + KL", bool namesStages = true, Func<SearchTables, SearchTables>? change = null)
    {
        string folder = Folder(name);
        Directory.CreateDirectory(folder);
        var tables = WithOwnBlocks(SampleTables.Create(seed));
        var search = TableSearch.Run(tables, new TableSearchSettings { Targets = [Target.Parse("throughput>=1.5x")] });
        SearchTablesWriter.Write(Path.Combine(folder, "tables.json"), change?.Invoke(tables) ?? tables);
        var library = Stage(folder, "library", ("steps", "8"));
        File.WriteAllText(library.PathOf("library.json"), JsonSerializer.Serialize(
            [.. Enumerable.Range(0, tables.Layers.Count).SelectMany(layer => (LibraryEntry[])
            [
                new(layer, "mixer-kv1", StoredAs.File, null, 0.2 + layer, 0.1, 8), new(layer, "ffn-ffn100", StoredAs.File, null, 0.02, 0.01 + layer, 8),
            ])], PuzzleJson.Default.LibraryEntryArray));
        var heal = Stage(folder, "heal", ("losses", losses));
        using (var metrics = MetricsWriter.Open(heal.PathOf("metrics.jsonl")))
        {
            metrics.Write(1, ("divergence", 0.5), ("cosine", 0.2), ("cross_entropy", 0), ("tokens", 100));
            metrics.Write(2, ("divergence", 0.25), ("cosine", 0.1), ("cross_entropy", 0), ("tokens", 100));
            metrics.Write(2, ("validation.divergence", 0.3));
        }

        var solutions = search.Baselines.Prepend(search.Chosen.Best!).ToList();
        var parent = search.Chosen.Search.Parent[0];
        var result = new CompressionResult
        {
            Scenario = new ServingScenario(4, 12, 20, DType.BF16, 1),
            Targets = [new TargetCheck("throughput>=1.5x", 1.52, true)],
            Candidates =
            [
                Candidate("parent", [.. tables.Layers.Select(layer => $"{layer.Mixer} {layer.FeedForward}")], parent, 0, 0),
                .. solutions.Select(solution => Candidate(
                    solution.Name == "best" ? "child" : solution.Name, [.. solution.Variants.Select(variant => variant.Label)], solution.Amounts[0], solution.Score,
                    solution.Name == "best" ? realised ?? solution.Score : 1.3 * solution.Score)),
            ],
            LowerBound = search.Chosen.Best!.Certificate!.LowerBound,
            Gap = 0,
            Nodes = 1,
            Additivity = AdditivityCheck.Of(
                ScoreKind.Divergence, [new Estimate(search.Chosen.Best!.Score, 0.01 * search.Chosen.Best!.Score, 30)], Realised(realised ?? search.Chosen.Best!.Score),
                limit: 0.25),
            HealedDivergence = new Estimate(0.01, 0.001, 20),
            ChildFolder = "child",
            StageFolders = namesStages ? new Dictionary<string, string>
            {
                ["library"] = Path.GetFileName(library.FullPath),
                ["heal"] = Path.GetFileName(heal.FullPath),
            }
            : null,
        };
        File.WriteAllText(Path.Combine(folder, "result.json"), JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
        return result;
    }

    /// <summary>Opens a stage of a run and completes it.</summary>
    public static RunFolder Stage(string folder, string name, (string Name, string Value) setting)
    {
        var stage = RunFolder.Open(folder, new RunStage
        {
            Name = name,
            ToolVersion = "1.2.3",
            Command = "compress models/sample --out sample",
            Settings = new Dictionary<string, string> { [setting.Name] = setting.Value },
            Inputs = new Dictionary<string, string> { ["parent"] = ContentHash.OfText("parent") },
        });
        stage.MarkComplete();
        return stage;
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    // A run's tables hold the parent's own blocks at no score.
    private static SearchTables WithOwnBlocks(SearchTables tables) => tables with
    {
        Layers = [.. tables.Layers.Select(layer => layer with
        {
            Variants = [.. layer.Variants.Select(variant => variant.Mixer == layer.Mixer && variant.FeedForward == layer.FeedForward
                ? variant with { Score = 0, StandardError = 0 } : variant with { StandardError = 0.01 * variant.Score })],
        })],
    };

    private static Estimate Realised(double divergence) => new(divergence, 0.01 * divergence, 30);

    private static CandidateResult Candidate(string name, IReadOnlyList<string> layers, Amounts amounts, double predicted, double realised) => new()
    {
        Name = name,
        Layers = layers,
        Parameters = (long)amounts.Parameters,
        KvBytesPerToken = (long)(amounts.KvBytes / 128),
        PredictedDivergence = predicted,
        ScoringDivergence = Realised(realised),
        HeldOutDivergence = new Estimate(1.1 * realised, 0.01 * realised, 30),
        PredictedDecodeSeconds = amounts.DecodeSeconds,
        DecodeSeconds = 1.02 * amounts.DecodeSeconds,
        PredictedPrefillSeconds = amounts.PrefillSeconds,
        PrefillSeconds = 1.02 * amounts.PrefillSeconds,
        Correct = 40,
        Problems = 50,
    };
}
