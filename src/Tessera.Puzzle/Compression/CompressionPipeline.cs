using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;
using Tessera.Runs;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// The whole path: measure, build the library, score, search, assemble, check, heal. Every stage has a folder of its own under
/// the output, named by the hash of what decides it; a killed run goes on where it stopped and ends with the same bits.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">Model and data.</param>
/// <param name="settings">What to do.</param>
/// <param name="output">Output folder.</param>
/// <param name="command">The command line, for provenance.</param>
public sealed class CompressionPipeline(
    Device device, CompressionInputs inputs, CompressionSettings settings, string output, string command)
{
    private static readonly string ToolVersion =
        typeof(CompressionPipeline).Assembly.GetName().Version?.ToString(3) ?? "0";

    /// <summary>Costs measured earlier, to be used instead of measuring.</summary>
    public CostTable? GivenCosts { get; init; }

    /// <summary>Runs every stage that is not complete yet.</summary>
    /// <exception cref="InfeasibleTargetException">No choice of blocks meets the limits.</exception>
    public CompressionResult Run()
    {
        Directory.CreateDirectory(output);
        var (costs, costHash) = Costs();
        var table = new ChoiceTable(inputs.Parent.Configuration, costs);
        // Impossible limits are found out before an hour is spent on the library.
        EnsureFeasible(table);
        var (library, libraryHash) = Library();
        using (library)
        {
            var (scores, scoreHash) = Scores(library, table, libraryHash);
            var outcome = Search(table, scores);
            var realisation = new Realisation(device, inputs, settings, library, table);
            var realised = Stage("realise", [("scores", scoreHash), ("costs", costHash)], SearchSettings());
            var candidates = realisation.Run(outcome, scores, realised.PathOf("measurements.jsonl"));
            realised.MarkComplete();
            var healing = new Healing(device, inputs, settings, table.Configuration(outcome.Child.Choice), library);
            var stage = Stage("heal", [("scores", scoreHash), ("costs", costHash)], SearchSettings().Concat(HealingSettings()));
            var healed = healing.Run(stage, Path.Combine(output, "child"));
            stage.MarkComplete();
            var result = new CompressionResult
            {
                Scenario = settings.Scenario,
                Targets = [.. settings.Targets.Select(target => target.Text)],
                Candidates = candidates,
                LowerBound = outcome.Exact.LowerBound,
                Gap = outcome.Exact.Gap,
                Nodes = outcome.Exact.Nodes,
                HealedDivergence = healed.Divergence,
                HealedCorrect = healed.Accuracy?.Correct ?? 0,
                ChildFolder = "child",
            };
            AtomicFile.WriteAllText(
                Path.Combine(output, "result.json"), JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
            new CompressionReport(inputs, settings, table, result, scores, library, stage.PathOf("metrics.jsonl"))
                .Save(Path.Combine(output, "report.html"));
            return result;
        }
    }

    private (CostTable Costs, string Hash) Costs()
    {
        var shape = inputs.Parent.Configuration;
        var stage = Stage("measure", [], [
            ("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds)), ("shape", string.Join(' ', shape.Layers)),
            ("hidden", Text(shape.HiddenSize)), ("vocabulary", Text(shape.VocabularySize)),
            ("given", GivenCosts is null ? "no" : ContentHash.OfText(JsonSerializer.Serialize(GivenCosts, PuzzleJson.Default.CostTable))),
        ]);
        string path = stage.PathOf("costs.json");
        if (!File.Exists(path))
        {
            var measured = GivenCosts ?? CostMeasurement.Run(device, shape, settings.Scenario, settings.CostRounds);
            AtomicFile.WriteAllText(path, JsonSerializer.Serialize(measured, PuzzleJson.Default.CostTable));
        }

        stage.MarkComplete();
        return (CostTableFile.Read(path), ContentHash.OfFile(path));
    }

    private (BlockLibrary Library, string Hash) Library()
    {
        var stage = Stage("library", [], [
            ("steps", Text(settings.BlockDistillation.Steps)), ("rate", Text(settings.BlockDistillation.LearningRate)),
        ]);
        using var activations = new ParentActivations(device, inputs.Parent, inputs.Calibration);
        using var progress = Progress("library", "jobs", BlockLibrary.JobCount(inputs.Parent.Configuration));
        var library = BlockLibrary.Build(
            device, activations, settings.BlockDistillation, stage.FullPath, _ => progress.Advance());
        stage.MarkComplete();
        return (library, stage.Manifest.Hash);
    }

    private (ScoreTable Scores, string Hash) Scores(BlockLibrary library, ChoiceTable table, string libraryHash)
    {
        var stage = Stage("scores", [("library", libraryHash)], []);
        using var activations = new ParentActivations(device, inputs.Parent, inputs.Scoring);
        using var progress = Progress("scores", "swaps", table.Variants.Sum(variants => variants.Count - 1));
        var scores = ScoreTable.Compute(
            device, activations, library, table.Variants, stage.PathOf("scores.jsonl"), () => progress.Advance());
        stage.MarkComplete();
        return (scores, stage.Manifest.Hash);
    }

    private void EnsureFeasible(ChoiceTable table)
    {
        var problem = table.Problem((_, _) => 0, settings.Targets, settings.Margin);
        if (ExactSolver.Solve(problem).Status == SearchStatus.Infeasible)
        {
            throw new InfeasibleTargetException(Infeasibility.Explain(problem).Sentences);
        }
    }

    private SearchOutcome Search(ChoiceTable table, ScoreTable scores)
    {
        var problem = table.Problem((layer, variant) => scores.Score(layer, variant).Mean, settings.Targets, settings.Margin);
        var exact = ExactSolver.Solve(problem);
        if (!exact.HasSolution)
        {
            throw new InfeasibleTargetException(Infeasibility.Explain(problem).Sentences);
        }

        var outcome = new SearchOutcome { Exact = exact, Candidates = [new("parent", new int[table.Variants.Count]), new("child", exact.Choice)] };
        Add(outcome, "greedy", GreedySearch.Solve(problem));
        Add(outcome, "uniform", UniformSearch.Solve(problem));
        Add(outcome, "parameter-max", ParameterMaximisation.Solve(problem, ChoiceTable.ParameterResource));
        return outcome;
    }

    private static void Add(SearchOutcome outcome, string name, BaselineResult? result)
    {
        if (result is not null)
        {
            outcome.Candidates.Add(new(name, result.Choice));
        }
    }

    private RunFolder Stage(
        string name, IEnumerable<(string Name, string Hash)> stages, IEnumerable<(string Name, string Value)> values) =>
        RunFolder.Open(output, new RunStage
        {
            Name = name, ToolVersion = ToolVersion, Command = command,
            Settings = values.ToDictionary(pair => pair.Name, pair => pair.Value),
            Inputs = stages.Append(("parent", inputs.ParentHash)).Append(("data", inputs.DataHash))
                .ToDictionary(pair => pair.Item1, pair => pair.Item2),
        });

    private IEnumerable<(string Name, string Value)> SearchSettings() =>
        [("targets", string.Join("; ", settings.Targets.Select(target => target.Text))), ("margin", Text(settings.Margin))];

    private IEnumerable<(string Name, string Value)> HealingSettings() =>
    [
        ("healing", FormattableString.Invariant($"{settings.Healing}")), ("losses", FormattableString.Invariant($"{settings.HealingWeights}")),
    ];

    private static ProgressReporter Progress(string label, string unit, long total) =>
        new(Console.Error, new ProgressOptions { Label = label, Unit = unit, Total = total });

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}

/// <summary>What the searches chose.</summary>
internal sealed class SearchOutcome
{
    /// <summary>The exact search's result.</summary>
    public required SearchResult Exact { get; init; }

    /// <summary>Parent, child and baselines with their choice of a variant for every layer.</summary>
    public required List<NamedChoice> Candidates { get; init; }

    /// <summary>The child.</summary>
    public NamedChoice Child => Candidates[1];
}

/// <summary>A choice of a variant for every layer.</summary>
internal sealed record NamedChoice(string Name, int[] Choice);
