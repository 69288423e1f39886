using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
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

    // The choice of the scores in the parent, where scoring again found a better one.
    private const string FirstChoice = "first choice";

    private readonly PipelineStages _stages = new(inputs, output, command);
    private readonly StageClock _times = new();

    /// <summary>Costs measured earlier, to be used instead of measuring.</summary>
    public CostTable? GivenCosts { get; init; }

    /// <summary>Called by the process that goes on when library and scores are complete: whole models come next.</summary>
    public Action? OnScored { get; init; }

    /// <summary>
    /// Runs every stage that is not complete yet. Any number of processes may run the same command on the same folder: they share the
    /// jobs of library and scores, one of them does what comes behind, and all return the same result.
    /// </summary>
    /// <exception cref="InfeasibleTargetException">No choice of blocks meets the limits.</exception>
    public CompressionResult Run() => Repairing(RunStages);

    /// <summary>Runs library and scores alone, and leaves what comes behind to a later <see cref="Run"/>.</summary>
    /// <returns>The file of the scores.</returns>
    public string RunScores() => Repairing(() =>
    {
        using var scored = ScoredLibrary.Build(device, inputs, settings, _stages, _times, GivenCosts);
        return scored.RecordsPath;
    });

    /// <summary>Stages in order with their times, as far as this object ran them.</summary>
    public IReadOnlyList<StageTime> Stages => _times.Stages;

    /// <summary>Has what is damaged done again.</summary>
    private T Repairing<T>(Func<T> run)
    {
        Directory.CreateDirectory(output);
        for (int repairs = 0; ; repairs++)
        {
            try
            {
                return run();
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
        using var scored = ScoredLibrary.Build(device, inputs, settings, _stages, _times, GivenCosts, table =>
        {
            // Impossible limits are found out before an hour is spent on the library.
            EnsureFeasible(table);
            EnsureMemory();
        });
        var hashes = scored.Hashes;
        var stage = _stages.Open(
            "result", [("scores", hashes.Scores), ("costs", hashes.Costs)],
            [.. SearchSettings(), ("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds)),
                .. settings.Loads.Count > 0 ? new LoadComparison(device, inputs, settings, scored.Library).Identity : [],
                .. settings.Scoring.Identity, .. settings.HealingPlan.WholeIdentity(inputs.Healing),
                .. settings.Fusion is { } fusion ? Fusing(fusion).Identity.Select(pair => ("fusion-" + pair.Name, pair.Value)) : []]);
        string path = stage.PathOf("result.json");
        CompressionResult? result = null;
        // What is around a child is shared by all processes, as the scores are; what comes behind is one's.
        var rescoring = settings.Scoring.Rounds == 0 ? null
            : new RescoringRounds(device, inputs, settings, _stages, _times, scored).Run([.. SearchSettings()], () => Search(scored).Outcome.Candidates[1].Choice);
        using var jobs = JobFolder.Open(stage.PathOf("jobs"));
        new JobBoard(jobs).RunAlone(
            "finish",
            waited => waited && _stages.Reopen(stage).IsComplete && (result = Read(path)) is not null,
            () =>
            {
                result = Finish(scored, rescoring);
                AtomicFile.WriteAllText(path, JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
                stage.MarkComplete();
            });
        return result!;
    }

    /// <summary>Chooses, assembles, holds against the prediction, heals and reports: what one process does alone.</summary>
    private CompressionResult Finish(ScoredLibrary scored, RescoringOutcome? rescoring)
    {
        var (library, table, scores, hashes) = (scored.Library, scored.Table, scored.Scores, scored.Hashes);
        OnScored?.Invoke();
        WriteTables(table, scores);
        var (outcome, choiceHash) = Rescored(Search(scored), rescoring);
        var realisation = new Realisation(device, inputs, settings, library, table);
        var realised = _stages.Open(
            "realise", [("scores", hashes.Scores), ("choice", choiceHash)],
            [("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds))]);
        var candidates = realisation.Run(outcome.Candidates, scores, realised.PathOf("measurements.jsonl"));
        _times.Complete(realised);
        var child = library.Child(table.Configuration(outcome.Candidates[1].Choice));
        var loads = Loads(library, child.Configuration, hashes.Library, choiceHash);
        using var assembled = settings.Fusion is null ? null : new ModelAssembly(device, DType.F32).Load(child);
        using var fusion = Fuse(assembled, hashes.Library, choiceHash);
        var stage = _stages.Open(
            "heal", [("library", hashes.Library), ("choice", choiceHash), .. fusion?.Identity ?? []], settings.HealingPlan.Identity);
        var healing = new Healing(
            device, inputs, settings.HealingPlan, fusion?.LayerMap ?? [.. Enumerable.Range(0, child.LayerCount)]);
        var healed = healing.Run(
            stage, fusion is null ? child : new ResidentParts(fusion.Model), Path.Combine(output, "child"),
            [("tessera.targets", string.Join("; ", settings.Targets.Select(target => target.Text)))], _stages.OpenPretraining(stage, settings.Pretraining));
        _times.Complete(stage);
        var result = new CompressionResult
        {
            Scenario = settings.Scenario,
            Targets = [.. settings.Targets.Select(target => table.Check(
                target, CompressionResult.DeliveryParent(candidates[0], fusion?.Comparison), CompressionResult.Delivery(candidates[1], fusion?.Comparison)))],
            Candidates = candidates,
            LowerBound = outcome.LowerBound,
            Gap = outcome.Gap,
            Nodes = outcome.Nodes,
            HealedDivergence = healed.Divergence!.Value,
            Fusion = fusion?.Comparison,
            Additivity = Additivity(table, scores, candidates),
            Rescoring = rescoring,
            Healing = healed.Findings,
            HealedCorrect = healed.Accuracy?.Correct ?? 0,
            ChildFolder = "child",
            Loads = loads,
            Stages = _times.Stages,
            StageFolders = _stages.Opened,
            Projection = settings.BlockDistillation.Layers is null ? null : LibraryProjection.Of(
                BlockLibrary.Halves(library.Shape, settings.Variants), settings.BlockDistillation, scored.HalfTimes,
                library.Shape.Layers.Length),
        };
        AtomicFile.WriteAllText(
            Path.Combine(output, "result.json"), JsonSerializer.Serialize(result, PuzzleJson.Default.CompressionResult));
        new CompressionReport(CompressionRun.Read(output)).Save(Path.Combine(output, "report.html"));
        return result;
    }

    private FusionStage Fusing(FusionRunSettings chosen) => new(device, inputs, chosen, settings.Scenario, settings.CostRounds)
    {
        TimesParent = true,
    };

    /// <summary>Parent and child in further loads; null where there are none.</summary>
    private IReadOnlyList<LoadResult>? Loads(BlockLibrary library, ModelConfiguration child, string libraryHash, string choiceHash)
    {
        if (settings.Loads.Count == 0)
        {
            return null;
        }

        var comparison = new LoadComparison(device, inputs, settings, library);
        var stage = _stages.Open("loads", [("library", libraryHash), ("choice", choiceHash)], comparison.Identity);
        var results = comparison.Run(child, stage.PathOf("measurements.jsonl"));
        _times.Complete(stage);
        return results;
    }

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
        TableScores.WithKinds(table.Tables(scores.Score), table.Variants, scores) with
        {
            Model = Path.GetFileName(Path.TrimEndingDirectorySeparator(inputs.ParentFolder)),
            Targets = [.. settings.Targets.Select(target => target.Text)],
            Pins = [.. settings.Filter.Pins.Select(pin => pin.Text)],
            Exclusions = [.. settings.Filter.Exclusions.Select(exclusion => exclusion.Text)],
            Margin = settings.Margin,
        });

    /// <summary>The choice is recorded: a search that its time limit cut short would not choose the same again.</summary>
    private (SearchOutcome Outcome, string Hash) Search(ScoredLibrary scored)
    {
        var stage = _stages.Open("search", [("scores", scored.Hashes.Scores), ("costs", scored.Hashes.Costs)], SearchSettings());
        using var record = RecordedTable.Open(stage.PathOf("choice.jsonl"));
        var outcome = record.GetOrAdd("outcome", PuzzleJson.Default.SearchOutcome, () => Solve(scored.Table, scored.Scores));
        _times.Complete(stage);
        return (outcome, record.Hash);
    }

    /// <summary>The first search's outcome with the child that scoring again found in place of its own, which is then the last candidate.</summary>
    private static (SearchOutcome Outcome, string Hash) Rescored((SearchOutcome Outcome, string Hash) first, RescoringOutcome? rescoring)
    {
        var candidates = first.Outcome.Candidates;
        if (rescoring is null || rescoring.Best.Choice.AsSpan().SequenceEqual(candidates[1].Choice))
        {
            return first;
        }

        return (
            first.Outcome with
            {
                Candidates =
                    [candidates[0], candidates[1] with { Choice = rescoring.Best.Choice }, .. candidates.Skip(2), candidates[1] with { Name = FirstChoice }],
            },
            ContentHash.OfText($"{first.Hash} {string.Join(' ', rescoring.Best.Choice)}"));
    }

    /// <summary>Whether the scores of the first search's choice added up.</summary>
    private AdditivityCheck Additivity(ChoiceTable table, ScoreTable scores, IReadOnlyList<CandidateResult> candidates)
    {
        var chosen = candidates.FirstOrDefault(candidate => candidate.Name == FirstChoice) ?? candidates[1];
        return AdditivityCheck.Of(
            ScoreKind.Divergence, table.Choice(chosen.Layers).Select((index, layer) => scores.Divergence(layer, table.Variants[layer][index])),
            chosen.ScoringDivergence, settings.Scoring.AdditivityLimit);
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

        var baselines = !settings.HasBaselines ? [] : new (string Name, BaselineResult? Result)[]
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
        var shape = inputs.Parent.Configuration;
        if (settings.Healing.Schedule.TotalSteps > 0)
        {
            TrainingMemory.Check(device, shape, settings.Healing, settings.HealingWeights, shape);
        }

        if (settings.Pretraining is { } pretraining)
        {
            TrainingMemory.Check(device, shape, pretraining.Training, pretraining.Weights, pretraining.Weights.NeedsTeacher ? shape : null);
        }
    }

    private IEnumerable<(string Name, string Value)> SearchSettings() =>
    [
        ("targets", string.Join("; ", settings.Targets.Select(target => target.Text))), ("margin", Text(settings.Margin)),
        // Only where there is one: a run without keeps the stages of runs that knew none.
        .. settings.Filter.IsEmpty ? [] : ((string, string)[])[("filter", settings.Filter.ToString())],
        .. settings.Scoring.Kind == ScoreKind.Divergence ? [] : ((string, string)[])[("score", settings.Scoring.Kind.Name)],
        .. settings.HasBaselines ? [] : ((string, string)[])[("baselines", "none")],
    ];

    /// <summary>Says what this process did of a stage, where that is not all of it.</summary>
    internal static void SayShare(string stage, int own, int total, bool wasComplete)
    {
        if (own < total && !wasComplete)
        {
            Console.Error.WriteLine($"{stage}: {own} of {total} jobs were done by this process");
        }
    }

    private static CompressionResult? Read(string path) =>
        JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.CompressionResult);

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
