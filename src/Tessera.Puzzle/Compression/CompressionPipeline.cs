using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Reports;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Runs.Jobs;
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
    // More files than this do not go bad one after the other: something else is wrong.
    private const int MostRepairs = 16;

    private readonly PipelineStages _stages = new(inputs, output, command);

    /// <summary>Costs measured earlier, to be used instead of measuring.</summary>
    public CostTable? GivenCosts { get; init; }

    /// <summary>Called by the process that goes on when library and scores are complete: whole models come next.</summary>
    public Action? OnScored { get; init; }

    /// <summary>
    /// Runs every stage that is not complete yet. Any number of processes may run the same command on the same folder: they share the
    /// jobs of library and scores, one of them does what comes behind, and all return the same result.
    /// </summary>
    /// <exception cref="InfeasibleTargetException">No choice of blocks meets the limits.</exception>
    public CompressionResult Run()
    {
        Directory.CreateDirectory(output);
        for (int repairs = 0; ; repairs++)
        {
            try
            {
                return RunStages();
            }
            catch (DamagedJobException damage) when (repairs < MostRepairs)
            {
                Console.Error.WriteLine($"tessera: {damage.Message}; job '{damage.Job}' is done again");
                damage.Discard();
            }
        }
    }

    private CompressionResult RunStages()
    {
        var (costs, costHash) = Costs();
        var table = new ChoiceTable(inputs.Parent.Configuration, costs);
        // Impossible limits are found out before an hour is spent on the library.
        EnsureFeasible(table);
        EnsureMemory();
        var libraryStage = _stages.Open("library", [], settings.BlockDistillation.Identity);
        using var libraryJobs = OpenJobs(libraryStage);
        var library = Library(libraryStage, libraryJobs);
        var (scores, scoreHash) = Scores(library, table, libraryStage.Manifest.Hash);
        var stage = _stages.Open(
            "result", [("scores", scoreHash), ("costs", costHash)],
            [.. SearchSettings(), ("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds)),
                .. settings.HealingPlan.Identity, .. settings.Fusion is { } fusion ? Fusing(fusion).Identity.Select(pair => ("fusion-" + pair.Name, pair.Value)) : []]);
        string path = stage.PathOf("result.json");
        CompressionResult? result = null;
        using var jobs = OpenJobs(stage);
        new JobBoard(jobs).RunAlone(
            "finish",
            waited => waited && _stages.Reopen(stage).IsComplete && (result = Read(path)) is not null,
            () =>
            {
                result = Finish(library, table, scores, new StageHashes(libraryStage.Manifest.Hash, scoreHash, costHash));
                AtomicFile.WriteAllText(path, JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
                stage.MarkComplete();
            });
        return result!;
    }

    /// <summary>Chooses, assembles, holds against the prediction, heals and reports: what one process does alone.</summary>
    private CompressionResult Finish(BlockLibrary library, ChoiceTable table, ScoreTable scores, StageHashes hashes)
    {
        OnScored?.Invoke();
        WriteTables(table, scores);
        var (outcome, choiceHash) = Search(table, scores, hashes);
        var realisation = new Realisation(device, inputs, settings, library, table);
        var realised = _stages.Open(
            "realise", [("scores", hashes.Scores), ("choice", choiceHash)],
            [("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds))]);
        var candidates = realisation.Run(outcome.Candidates, scores, realised.PathOf("measurements.jsonl"));
        realised.MarkComplete();
        var child = library.Child(table.Configuration(outcome.Candidates[1].Choice));
        using var assembled = settings.Fusion is null ? null : new ModelAssembly(device, DType.F32).Load(child);
        using var fusion = Fuse(assembled, hashes.Library, choiceHash);
        var stage = _stages.Open(
            "heal", [("library", hashes.Library), ("choice", choiceHash), .. fusion?.Identity ?? []], settings.HealingPlan.Identity);
        var healing = new Healing(
            device, inputs, settings.HealingPlan, fusion?.LayerMap ?? [.. Enumerable.Range(0, child.LayerCount)]);
        var healed = healing.Run(
            stage, fusion is null ? child : new ResidentParts(fusion.Model), Path.Combine(output, "child"),
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
            Stages = _stages.Opened,
        };
        AtomicFile.WriteAllText(
            Path.Combine(output, "result.json"), JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
        new CompressionReport(CompressionRun.Read(output)).Save(Path.Combine(output, "report.html"));
        return result;
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
        using (var jobs = OpenJobs(stage))
        {
            // One process measures while the others wait, or they would measure each other.
            new JobBoard(jobs).RunAlone("measure", _ => File.Exists(path), () =>
            {
                var measured = GivenCosts ?? CostMeasurement.Run(device, shape, settings.Scenario, settings.CostRounds);
                AtomicFile.WriteAllText(path, JsonSerializer.Serialize(measured, PuzzleJson.Default.CostTable));
            });
        }

        stage.MarkComplete();
        return (CostTableFile.Read(path), ContentHash.OfFile(path));
    }

    private BlockLibrary Library(RunFolder stage, JobFolder jobs)
    {
        using var steps = new CalibrationSteps(device, inputs.Calibration);
        using var states = new ParentStates(device, inputs.Parent.Parts, steps, jobs, forDistillation: true);
        int total = LibraryBuilder.JobCount(inputs.Parent.Configuration);
        using var progress = Progress("library", "jobs", total);
        int own = new LibraryBuilder(device, states, settings.BlockDistillation, jobs).Run(done => progress.Report(done));
        SayShare("library", own, total, stage.IsComplete);
        stage.MarkComplete();
        return new BlockLibrary(device, inputs.Parent.Parts, jobs);
    }

    private (ScoreTable Scores, string Hash) Scores(BlockLibrary library, ChoiceTable table, string libraryHash)
    {
        var stage = _stages.Open("scores", [("library", libraryHash)], []);
        using var jobs = OpenJobs(stage);
        using var steps = new CalibrationSteps(device, inputs.Scoring);
        using var states = new ParentStates(device, inputs.Parent.Parts, steps, jobs, forDistillation: false);
        int total = ScoreTable.JobCount(table.Variants);
        using var progress = Progress("scores", "jobs", total);
        var memory = StreamingMemory.Of(device, inputs.Parent.Configuration, steps, settings.Memory);
        var scores = ScoreTable.Compute(
            device, states, library, table.Variants, jobs, memory, done => progress.Report(done));
        SayShare("scores", scores.OwnJobs, total, stage.IsComplete);
        stage.MarkComplete();
        return (scores, stage.Manifest.Hash);
    }

    private FusionStage Fusing(FusionRunSettings chosen) => new(device, inputs, chosen, settings.Scenario, settings.CostRounds);

    /// <summary>Fuses the assembled child where that is asked for.</summary>
    private FusionOutcome? Fuse(Decoder? assembled, string libraryHash, string choiceHash)
    {
        if (settings.Fusion is not { } chosen)
        {
            return null;
        }

        var fusing = Fusing(chosen);
        var stage = _stages.Open("fuse", [("library", libraryHash), ("choice", choiceHash)], fusing.Identity);
        var outcome = fusing.Run(assembled!, stage);
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
    private (SearchOutcome Outcome, string Hash) Search(ChoiceTable table, ScoreTable scores, StageHashes hashes)
    {
        var stage = _stages.Open("search", [("scores", hashes.Scores), ("costs", hashes.Costs)], SearchSettings());
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

    private static JobFolder OpenJobs(RunFolder stage) => JobFolder.Open(stage.PathOf("jobs"));

    /// <summary>Says what this process did of a stage, where that is not all of it.</summary>
    private static void SayShare(string stage, int own, int total, bool wasComplete)
    {
        if (own < total && !wasComplete)
        {
            Console.Error.WriteLine($"{stage}: {own} of {total} jobs were done by this process");
        }
    }

    private static CompressionResult? Read(string path) =>
        JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.CompressionResult);

    private static ProgressReporter Progress(string label, string unit, long total) =>
        new(Console.Error, new ProgressOptions { Label = label, Unit = unit, Total = total });

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>What the stages behind are named after.</summary>
    private sealed record StageHashes(string Library, string Scores, string Costs);
}
