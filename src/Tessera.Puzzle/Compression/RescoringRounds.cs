using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// Scores again around the assembled child and searches again, for a number of rounds or until nothing better is found. Every round is a
/// stage; its scores are jobs that any number of processes share, and one of them searches and assembles.
/// </summary>
internal sealed class RescoringRounds(
    Device device, CompressionInputs inputs, CompressionSettings settings, PipelineStages stages, StageClock times, ScoredLibrary scored)
{
    private const string StageName = "rescore";
    private readonly ScoringStage _scoring = new(device, inputs, settings, stages, times);

    private ScoreKind Kind => settings.Scoring.Kind;

    private ChoiceTable Table => scored.Table;

    /// <summary>Runs the rounds; every process returns the same.</summary>
    /// <param name="identity">Settings of the search.</param>
    /// <param name="search">The first search's choice; recorded.</param>
    public RescoringOutcome Run(IReadOnlyList<(string Name, string Value)> identity, Func<int[]> search)
    {
        var (scores, hashes) = (scored.Scores, scored.Hashes);
        (string, string)[] from = [("library", hashes.Library), ("scores", hashes.Scores), ("costs", hashes.Costs)];
        (string, string)[] settled = [.. identity, .. _scoring.RaceIdentity(Kind, hashes.Costs)];
        var first = First(stages.Open(StageName, from, settled.Append(("round", "0"))), search);
        var additivity = AdditivityCheck.Of(
            Kind, first.Choice.Select((index, layer) => scores.Score(layer, Table.Variants[layer][index])), Of(first), settings.Scoring.AdditivityLimit);
        var rounds = new List<RescoringRound>();
        var best = first;
        for (int round = 1; round <= settings.Scoring.Rounds && !(settings.Scoring.OnlyWhereAdditivityFails && additivity.Holds); round++)
        {
            var stage = stages.Open(
                StageName, from,
                settled.Append(("round", round.ToString(CultureInfo.InvariantCulture))).Append(("around", ContentHash.OfText(string.Join(' ', best.Choice)))));
            rounds.Add(Round(stage, round, best));
            best = rounds[^1].Best;
            if (!rounds[^1].IsBetter)
            {
                break;
            }
        }

        return new RescoringOutcome(additivity, first, rounds);
    }

    private Estimate Of(RealisedChoice choice) => choice.Realised.Of(Kind)!.Value;

    /// <summary>The first search's choice, assembled and scored by one process.</summary>
    private RealisedChoice First(RunFolder stage, Func<int[]> search)
    {
        string path = stage.PathOf("first.json");
        using var jobs = JobFolder.Open(stage.PathOf("jobs"));
        new JobBoard(jobs).RunAlone("first", _ => File.Exists(path), () =>
        {
            int[] choice = search();
            AtomicFile.WriteAllText(path, JsonSerializer.Serialize(new RealisedChoice(choice, Realise([choice])[0]), PuzzleJson.Default.RealisedChoice));
        });
        times.Complete(stage, jobs);
        return JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.RealisedChoice)!;
    }

    private RescoringRound Round(RunFolder stage, int number, RealisedChoice around)
    {
        string path = stage.PathOf("round.json");
        using var jobs = JobFolder.Open(stage.PathOf("jobs"));
        if (!File.Exists(path))
        {
            var swaps = Swaps(stage, jobs, number, around);
            new JobBoard(jobs).RunAlone("choose", _ => File.Exists(path), () => AtomicFile.WriteAllText(
                path, JsonSerializer.Serialize(Choose(number, around, swaps), PuzzleJson.Default.RescoringRound)));
        }

        times.Complete(stage, jobs);
        return JsonSerializer.Deserialize(File.ReadAllText(path), PuzzleJson.Default.RescoringRound)!;
    }

    /// <summary>Every alternative of every layer that may be chosen, swapped into the child.</summary>
    private ScoreTable Swaps(RunFolder stage, JobFolder jobs, int number, RealisedChoice around)
    {
        var (kind, batches) = _scoring.Deciding;
        using var steps = new CalibrationSteps(device, batches);
        using var parentJobs = JobFolder.Open(stage.PathOf(Path.Combine("parent", "jobs")));
        using var parent = new ParentStates(device, inputs.Parent.Parts, steps, parentJobs, forDistillation: false);
        using var child = Child(around.Choice);
        using var states = new ParentStates(device, child, steps, jobs, forDistillation: false);
        var memory = StreamingMemory.Of(device, inputs.Parent.Parts, steps, settings.Memory);
        var plan = _scoring.WithRace(
            new ScorePlan(device, states, scored.Library, Table.Variants, memory)
            {
                Kind = kind,
                Reference = new ScoreReference(parent, parentJobs),
                Child = around.Choice,
                OwnScore = around.Realised,
            },
            Table);
        int total = ScoreTable.JobCount(Table.Variants, plan.Racing is not null);
        string label = string.Create(CultureInfo.InvariantCulture, $"scores around the child, round {number}");
        using var progress = new ProgressReporter(Console.Error, new ProgressOptions { Label = label, Unit = "jobs", Total = total });
        var swaps = ScoreTable.Compute(plan, jobs, done => progress.Report(done));
        CompressionPipeline.SayShare(label, swaps.OwnJobs, total, stage.IsComplete);
        return swaps;
    }

    private RescoringRound Choose(int number, RealisedChoice around, ScoreTable swaps)
    {
        var proposals = new LocalSearch(settings, Table).Propose(around.Choice, Of(around).Mean, swaps, scored.Scores);
        var realised = Realise([.. proposals.Select(proposal => proposal.Choice)]);
        RescoredCandidate[] candidates = [.. proposals.Zip(realised, (proposal, score) => new RescoredCandidate(
            proposal.Name, proposal.Choice.Zip(around.Choice).Count(pair => pair.First != pair.Second), proposal.Predicted, proposal.LowerBound,
            new RealisedChoice(proposal.Choice, score)))];
        // The same documents score all of them, so the smaller mean is the better child on those; of equals the one that is there.
        var best = candidates.Select(candidate => candidate.Child).Prepend(around).MinBy(choice => Of(choice).Mean)!;
        return new RescoringRound(number, Kind.Name, around, candidates, best);
    }

    private BlockScore[] Realise(IReadOnlyList<int[]> choices)
    {
        if (choices.Count == 0)
        {
            return [];
        }

        var (kind, batches) = _scoring.Deciding;
        using var steps = new CalibrationSteps(device, batches);
        return new ModelScorer(device, inputs.Parent.Parts, steps, settings.Memory).ScoreAll([.. choices.Select(Child)], kind.TaskName is not null);
    }

    private ModelParts Child(int[] choice) => scored.Library.Child(Table.Configuration(choice));
}
