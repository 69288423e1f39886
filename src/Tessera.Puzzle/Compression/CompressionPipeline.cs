using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Training.Memory;

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
    private readonly PipelineStages _stages = new(inputs, output, command);

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
        EnsureMemory();
        var (library, libraryHash) = Library();
        using (library)
        {
            var (scores, scoreHash) = Scores(library, table, libraryHash);
            WriteTables(table, scores);
            var (outcome, choiceHash) = Search(table, scores, scoreHash, costHash);
            var realisation = new Realisation(device, inputs, settings, library, table);
            var realised = _stages.Open(
                "realise", [("scores", scoreHash), ("choice", choiceHash)],
                [("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds))]);
            var candidates = realisation.Run(outcome.Candidates, scores, realised.PathOf("measurements.jsonl"));
            realised.MarkComplete();
            using var assembled = library.Assemble(table.Configuration(outcome.Candidates[1].Choice));
            using var fusion = Fuse(assembled, libraryHash, choiceHash);
            var stage = _stages.Open(
                "heal", [("library", libraryHash), ("choice", choiceHash), .. fusion?.Identity ?? []], settings.HealingPlan.Identity);
            var healing = new Healing(
                device, inputs, settings.HealingPlan, fusion?.LayerMap ?? [.. Enumerable.Range(0, assembled.Layers.Count)]);
            var healed = healing.Run(
                stage, fusion?.Model ?? assembled, Path.Combine(output, "child"),
                [("tessera.targets", string.Join("; ", settings.Targets.Select(target => target.Text)))]);
            stage.MarkComplete();
            var result = new CompressionResult
            {
                Scenario = settings.Scenario,
                Targets = [.. settings.Targets.Select(target => table.Check(
                    target, candidates[0], CompressionResult.Delivery(candidates[1], fusion?.Comparison)))],
                Candidates = candidates,
                LowerBound = outcome.LowerBound,
                Gap = outcome.Gap,
                Nodes = outcome.Nodes,
                HealedDivergence = healed.Divergence!.Value,
                Fusion = fusion?.Comparison,
                HealedCorrect = healed.Accuracy?.Correct ?? 0,
                ChildFolder = "child",
            };
            AtomicFile.WriteAllText(
                Path.Combine(output, "result.json"), JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
            var report = new CompressionReport(inputs, settings, table, result, scores, library, stage.PathOf("metrics.jsonl"), fusion);
            report.Save(Path.Combine(output, "report.html"));
            return result;
        }
    }

    private (CostTable Costs, string Hash) Costs()
    {
        var shape = inputs.Parent.Configuration;
        GivenCosts?.EnsureFits(shape, settings.Scenario);
        var stage = _stages.OpenMeasurement([
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
        var stage = _stages.Open("library", [], [
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
        var stage = _stages.Open("scores", [("library", libraryHash)], []);
        using var activations = new ParentActivations(device, inputs.Parent, inputs.Scoring);
        using var progress = Progress("scores", "swaps", table.Variants.Sum(variants => variants.Count - 1));
        var scores = ScoreTable.Compute(
            device, activations, library, table.Variants, stage.PathOf("scores.jsonl"), () => progress.Advance());
        stage.MarkComplete();
        return (scores, stage.Manifest.Hash);
    }

    /// <summary>Fuses the assembled child where that is asked for.</summary>
    private FusionOutcome? Fuse(Decoder assembled, string libraryHash, string choiceHash)
    {
        if (settings.Fusion is not { } chosen)
        {
            return null;
        }

        var fusing = new FusionStage(device, inputs, chosen, settings.Scenario, settings.CostRounds);
        var stage = _stages.Open("fuse", [("library", libraryHash), ("choice", choiceHash)], fusing.Identity);
        var outcome = fusing.Run(assembled, stage);
        if (outcome.Comparison is null)
        {
            Console.Error.WriteLine("tessera: the child has no feed-forwards to fuse: it has no neighbours without mixers that may be");
        }

        return outcome;
    }

    private void EnsureFeasible(ChoiceTable table)
    {
        var problem = table.Scored((_, _) => default, settings.Filter).Build(settings.Targets, settings.Margin);
        if (ExactSolver.Solve(problem).Status == SearchStatus.Infeasible)
        {
            throw new InfeasibleTargetException(Infeasibility.Explain(problem).Sentences);
        }
    }

    /// <summary>Scores and costs as a file of their own, so that the choice can be repeated under other limits.</summary>
    private void WriteTables(ChoiceTable table, ScoreTable scores) => SearchTablesWriter.Write(
        Path.Combine(output, "tables.json"),
        table.Tables(scores.Score) with
        {
            Model = Path.GetFileName(Path.TrimEndingDirectorySeparator(inputs.ParentFolder)),
            Targets = [.. settings.Targets.Select(target => target.Text)],
            Pins = [.. settings.Filter.Pins.Select(pin => pin.Text)],
            Exclusions = [.. settings.Filter.Exclusions.Select(exclusion => exclusion.Text)],
            Margin = settings.Margin,
        });

    /// <summary>The choice is recorded: a search that its time limit cut short would not choose the same again.</summary>
    private (SearchOutcome Outcome, string Hash) Search(ChoiceTable table, ScoreTable scores, string scoreHash, string costHash)
    {
        var stage = _stages.Open("search", [("scores", scoreHash), ("costs", costHash)], SearchSettings());
        using var record = RecordedTable.Open(stage.PathOf("choice.jsonl"));
        var outcome = record.GetOrAdd("outcome", PuzzleJson.Default.SearchOutcome, () => Solve(table, scores));
        stage.MarkComplete();
        return (outcome, record.Hash);
    }

    private SearchOutcome Solve(ChoiceTable table, ScoreTable scores)
    {
        var scored = table.Scored(scores.Score, settings.Filter);
        var problem = scored.Build(settings.Targets, settings.Margin);
        var exact = ExactSolver.Solve(problem);
        if (!exact.HasSolution)
        {
            throw new InfeasibleTargetException(Infeasibility.Explain(problem).Sentences);
        }

        var baselines = new (string Name, BaselineResult? Result)[]
        {
            ("greedy", GreedySearch.Solve(problem)), ("uniform", UniformSearch.Solve(problem)),
            ("parameter-max", ParameterMaximisation.Solve(problem, TableProblem.ParameterColumn)),
        };
        return new SearchOutcome(
            [
                new("parent", new int[table.Variants.Count]), new("child", scored.ToTables(exact.Choice)),
                .. baselines.Where(b => b.Result is not null).Select(b => new NamedChoice(b.Name, scored.ToTables(b.Result!.Choice))),
            ],
            exact.LowerBound, exact.Gap, exact.Nodes);
    }

    /// <summary>Healing that would not fit is found out before the library as well: no child is larger than its parent.</summary>
    private void EnsureMemory()
    {
        if (settings.Healing.Schedule.TotalSteps > 0)
        {
            var shape = inputs.Parent.Configuration;
            TrainingMemory.Check(device, shape, settings.Healing, settings.HealingWeights, shape);
        }
    }

    private IEnumerable<(string Name, string Value)> SearchSettings() =>
    [
        ("targets", string.Join("; ", settings.Targets.Select(target => target.Text))), ("margin", Text(settings.Margin)),
        // Only where there is one: a run without keeps the stages of runs that knew none.
        .. settings.Filter.IsEmpty ? [] : ((string, string)[])[("filter", settings.Filter.ToString())],
    ];

    private static ProgressReporter Progress(string label, string unit, long total) =>
        new(Console.Error, new ProgressOptions { Label = label, Unit = unit, Total = total });

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
