using Tessera.Devices;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Planning;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// The stages of coupled and hybrid distillation behind the library of halves: which pairs, their training, and their scores. A
/// variant that was trained as a pair stands with that pair's weights and score from then on, any other with its halves'.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="inputs">Model and data.</param>
/// <param name="settings">What to do.</param>
/// <param name="stages">Opens the stages' folders.</param>
/// <param name="times">Completes the stages.</param>
internal sealed class CoupledDistillation(
    Device device, CompressionInputs inputs, CompressionSettings settings, PipelineStages stages, StageClock times) : IDisposable
{
    private JobFolder? _pairJobs;

    /// <summary>Scores variants of a library; gives the table and the hash of its stage.</summary>
    public delegate (ScoreTable Scores, string Hash) Scoring(
        BlockLibrary library, IReadOnlyList<IReadOnlyList<BlockVariant>> variants, string libraryHash);

    /// <summary>Library and scores: of halves alone where distillation is decoupled, otherwise with pairs.</summary>
    /// <param name="halves">The library of halves.</param>
    /// <param name="table">All variants with their costs.</param>
    /// <param name="halvesHash">Hash of the halves' stage.</param>
    /// <param name="rate">Operations a second of this process's part of the halves; 0 where it did none.</param>
    /// <param name="score">Scores variants.</param>
    public (BlockLibrary Library, string LibraryHash, ScoreTable Scores, string ScoreHash) Run(
        BlockLibrary halves, ChoiceTable table, string halvesHash, double rate, Scoring score)
    {
        if (settings.Library.Mode == DistillationMode.Decoupled)
        {
            var (alone, hash) = score(halves, table.Variants, halvesHash);
            return (halves, halvesHash, alone, hash);
        }

        if (settings.Library.Mode == DistillationMode.Coupled)
        {
            var (all, allHash) = Train(halves, table.Variants, [("library", halvesHash)], rate);
            var (scores, hash) = score(all, table.Variants, allHash);
            return (all, allHash, scores, hash);
        }

        var (decoupled, decoupledHash) = score(halves, table.Variants, halvesHash);
        var chosen = Select(table, decoupled, decoupledHash);
        var (library, libraryHash) = Train(halves, chosen, [("library", halvesHash), ("scores", decoupledHash)], rate);
        var (again, scoreHash) = score(library, chosen, libraryHash);
        return (library, libraryHash, decoupled.UpdatedBy(again), scoreHash);
    }

    /// <inheritdoc />
    public void Dispose() => _pairJobs?.Dispose();

    private IReadOnlyList<IReadOnlyList<BlockVariant>> Select(ChoiceTable table, ScoreTable scores, string scoreHash)
    {
        var stage = stages.Open(
            "select", [("scores", scoreHash)],
            [
                ("targets", string.Join("; ", settings.Targets.Select(target => target.Text))),
                ("margin", FormattableString.Invariant($"{settings.Margin}")), ("filter", settings.Filter.ToString()),
                ("scenario", settings.Scenario.Label), .. settings.Library.SelectionIdentity,
            ]);
        using var jobs = JobFolder.Open(stage.PathOf("jobs"));
        var chosen = PairSelection.Run(table, scores, settings, jobs);
        times.Complete(stage, jobs);
        return chosen;
    }

    private (BlockLibrary Library, string Hash) Train(
        BlockLibrary halves, IReadOnlyList<IReadOnlyList<BlockVariant>> variants, IEnumerable<(string Name, string Hash)> inputHashes, double rate)
    {
        var pairs = LibraryPair.Of(inputs.Parent.Configuration, variants);
        var stage = stages.Open(
            "pairs", inputHashes,
            [.. settings.BlockDistillation.Identity, .. settings.Library.Identity, ("pairs", ContentHash.OfText(string.Join(' ', pairs.Select(pair => pair.Job))))]);
        _pairJobs?.Dispose();
        _pairJobs = JobFolder.Open(stage.PathOf("jobs"));
        using var steps = new CalibrationSteps(device, inputs.Calibration);
        if (!stage.IsComplete)
        {
            Announce(pairs, steps, rate);
        }

        using var states = new ParentStates(device, inputs.Parent.Parts, steps, _pairJobs, forDistillation: true, settings.Library.States);
        using var progress = new ProgressReporter(Console.Error, new ProgressOptions { Label = "pairs", Unit = "jobs", Total = pairs.Count });
        new PairBuilder(device, states, halves, settings.BlockDistillation, _pairJobs).Run(pairs, done => progress.Report(done));
        times.Complete(stage, _pairJobs);
        return (halves.WithPairs(_pairJobs, pairs), stage.Manifest.Hash);
    }

    /// <summary>Says what is to come before it begins: jobs, operations, and time by the rate of the halves.</summary>
    private void Announce(IReadOnlyList<LibraryPair> pairs, CalibrationSteps steps, double rate)
    {
        var work = DistillationWork.Of(inputs.Parent.Configuration, steps, settings.BlockDistillation);
        double operations = pairs.Sum(work.Pair), bytes = pairs.Sum(work.BytesOf);
        string time = rate > 0 ? $", about {TimeSpan.FromSeconds(Math.Ceiling(operations / rate)):c} at the rate of the halves" : string.Empty;
        int layers = pairs.Select(pair => pair.Layer).Distinct().Count();
        Console.Error.WriteLine(FormattableString.Invariant(
            $"pairs: {pairs.Count} jobs in {layers} layers, at most {settings.BlockDistillation.Steps} steps each, {operations:G3} operations{time}; at most {HumanUnits.FormatBytes((long)bytes)} on the disk"));
    }
}
