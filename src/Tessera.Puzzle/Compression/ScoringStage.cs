using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Runs.Jobs;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Compression;

/// <summary>Scores all variants, each replacing one layer of the parent: on text, and where a task's answers are asked for on those as well.</summary>
internal sealed class ScoringStage(Device device, CompressionInputs inputs, CompressionSettings settings, PipelineStages stages, StageClock times)
{
    /// <summary>The score that decides, and the batches it is taken on.</summary>
    public (ScoreKind Kind, IReadOnlyList<PackedBatch> Batches) Deciding =>
        settings.Scoring.Kind.TaskName is null ? (settings.Scoring.Kind, inputs.Scoring) : (settings.Scoring.Kind, inputs.Answers);

    /// <summary>Where the scores that were run last are listed; null before.</summary>
    public string? RecordsPath { get; private set; }

    /// <summary>Does what no process has done yet, and returns the scores with the hash that stands for them.</summary>
    /// <param name="library">Complete.</param>
    /// <param name="table">All variants and costs.</param>
    /// <param name="variants">Those to score: all, or a choice of them, which then do not race.</param>
    /// <param name="libraryHash">Stands for the library.</param>
    /// <param name="costHash">Stands for the costs; decides only where variants race.</param>
    public (ScoreTable Scores, string Hash) Run(
        BlockLibrary library, ChoiceTable table, IReadOnlyList<IReadOnlyList<BlockVariant>> variants, string libraryHash, string costHash)
    {
        var kind = settings.Scoring.Kind;
        var ofText = kind.TaskName is null ? kind : ScoreKind.Divergence;
        var (scores, hash) = Run("scores", [("library", libraryHash)], [], library, table, variants, ofText, inputs.Scoring, costHash);
        if (kind.TaskName is not { } task)
        {
            return (scores, hash);
        }

        var (answers, answerHash) = Run(
            "task-scores", [("library", libraryHash), ("scores", hash)], [("task", task)], library, table, variants, kind, inputs.Answers, costHash);
        return (scores.WithAnswers(answers), answerHash);
    }

    /// <summary>When scoring may end early, and what a race needs to know of the variants; nothing where there is no race.</summary>
    public ScorePlan WithRace(ScorePlan plan, ChoiceTable table) => settings.Scoring.Racing(plan.Kind) is { } racing
        ? plan with { Racing = racing, Entries = Entries(table) }
        : plan;

    /// <summary>What a race adds to the identity of a stage: its settings, the costs, and which variants may win.</summary>
    public IEnumerable<(string Name, string Value)> RaceIdentity(ScoreKind kind, string costHash) =>
        settings.Scoring.Racing(kind) is not { } racing ? [] :
        [
            .. racing.Identity, ("race-costs", costHash), ("race-counts", string.Join("; ", Counts.Select(target => $"{target.Quantity} {target.Selector?.Text}"))),
            ("race-filter", settings.Filter.ToString()),
        ];

    private IEnumerable<Target> Counts =>
        settings.Targets.Where(target => target.Quantity != TargetQuantity.Parameters && ProblemColumn.IsOfModel(target.Quantity));

    private (ScoreTable Scores, string Hash) Run(
        string name, IEnumerable<(string Name, string Hash)> from, IEnumerable<(string Name, string Value)> values, BlockLibrary library, ChoiceTable table,
        IReadOnlyList<IReadOnlyList<BlockVariant>> variants, ScoreKind kind, IReadOnlyList<PackedBatch> batches, string costHash)
    {
        bool races = ReferenceEquals(variants, table.Variants);
        var stage = stages.Open(name, from, values.Concat(races ? RaceIdentity(kind, costHash) : []));
        using var jobs = JobFolder.Open(stage.PathOf("jobs"));
        using var steps = new CalibrationSteps(device, batches);
        using var states = new ParentStates(device, inputs.Parent.Parts, steps, jobs, forDistillation: false);
        var memory = StreamingMemory.Of(device, inputs.Parent.Parts, steps, settings.Memory);
        var plan = new ScorePlan(device, states, library, variants, memory) { Kind = kind };
        plan = races ? WithRace(plan, table) : plan;
        int total = ScoreTable.JobCount(variants, plan.Racing is not null);
        using var progress = new ProgressReporter(Console.Error, new ProgressOptions { Label = name, Unit = "jobs", Total = total });
        var scores = ScoreTable.Compute(plan, jobs, done => progress.Report(done));
        CompressionPipeline.SayShare(name, scores.OwnJobs, total, stage.IsComplete);
        if (plan.Racing is not null && !stage.IsComplete)
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"{name}: {scores.RacedOut} variants were raced out, and {1 - scores.ShareRead:P0} of the documents were not read"));
        }

        times.Complete(stage, jobs);
        RecordsPath = stage.PathOf("scores.jsonl");
        return (scores, stage.Manifest.Hash);
    }

    /// <summary>Costs that a limit can stand on, a count from both sides; who may win is who may be chosen.</summary>
    private List<IReadOnlyList<RaceEntry>> Entries(ChoiceTable table)
    {
        var scored = table.Scored((_, _) => default, settings.Filter);
        var columns = scored.Columns(settings.Targets);
        var all = table.Scored((_, _) => default, VariantFilter.None);
        return [.. table.Variants.Select((variants, layer) =>
        {
            var allowed = scored.Variants[layer].Select(variant => variant.Label).ToHashSet();
            return (IReadOnlyList<RaceEntry>)[.. all.Variants[layer].Select(variant => new RaceEntry(
                [.. columns.SelectMany(column => ProblemColumn.IsOfModel(column.Quantity) && column.Quantity != TargetQuantity.Parameters
                    ? (double[])[all.Cost(column, layer, variant), -all.Cost(column, layer, variant)]
                    : [all.Cost(column, layer, variant)])],
                allowed.Contains(variant.Label)))];
        })];
    }
}
