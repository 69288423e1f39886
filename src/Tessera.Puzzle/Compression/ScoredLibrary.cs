using System.Globalization;
using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>What the stages behind the scores are named after.</summary>
internal sealed record StageHashes(string Library, string Scores, string Costs);

/// <summary>
/// What any number of processes make together before a child can be chosen: the variants with their costs, their library, and their
/// scores.
/// </summary>
internal sealed class ScoredLibrary : IDisposable
{
    private readonly JobFolder _jobs;
    private readonly KeptHalves _kept;
    private readonly CoupledDistillation _coupled;

    private ScoredLibrary(JobFolder jobs, KeptHalves kept, CoupledDistillation coupled) => (_jobs, _kept, _coupled) = (jobs, kept, coupled);

    /// <summary>Does what no process has done yet of costs, library and scores.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="inputs">Model and data.</param>
    /// <param name="settings">What to do.</param>
    /// <param name="stages">Opens the stages' folders.</param>
    /// <param name="times">Completes the stages.</param>
    /// <param name="given">Costs measured earlier, or null.</param>
    /// <param name="onCosts">Called before the library is begun: what cannot succeed is found out here.</param>
    public static ScoredLibrary Build(
        Device device, CompressionInputs inputs, CompressionSettings settings, PipelineStages stages, StageClock times, CostTable? given,
        Action<ChoiceTable>? onCosts = null)
    {
        var (costs, costHash) = Costs(device, inputs, settings, stages, times, given);
        var table = new ChoiceTable(inputs.Parent.Configuration, costs, settings.Variants);
        onCosts?.Invoke(table);
        var making = new LibraryStage(device, inputs, settings, times);
        var stage = stages.Open("library", [], making.Identity);
        var jobs = JobFolder.Open(stage.PathOf("jobs"));
        KeptHalves? kept = null;
        var coupled = new CoupledDistillation(device, inputs, settings, stages, times);
        try
        {
            var (halves, rate) = making.Run(stage, jobs);
            kept = making.Keep(halves);
            var scoring = new ScoringStage(device, inputs, settings, stages, times);
            var (library, libraryHash, scores, scoreHash) = coupled.Run(
                halves, table, stage.Manifest.Hash, rate, (trained, variants, hash) => scoring.Run(trained, table, variants, hash, costHash));
            return new ScoredLibrary(jobs, kept, coupled)
            {
                Table = table,
                Library = library,
                Scores = scores,
                RecordsPath = scoring.RecordsPath!,
                Hashes = new StageHashes(libraryHash, scoreHash, costHash),
            };
        }
        catch
        {
            kept?.Dispose();
            coupled.Dispose();
            jobs.Dispose();
            throw;
        }
    }

    /// <summary>All variants with their costs.</summary>
    public required ChoiceTable Table { get; init; }

    /// <summary>Weights of all variants.</summary>
    public required BlockLibrary Library { get; init; }

    /// <summary>What each variant costs in quality.</summary>
    public required ScoreTable Scores { get; init; }

    /// <summary>The file that lists the scores.</summary>
    public required string RecordsPath { get; init; }

    /// <summary>What later stages are named after.</summary>
    public required StageHashes Hashes { get; init; }

    /// <summary>Times of the jobs in which halves were made.</summary>
    public IReadOnlyList<JobTime> HalfTimes => JobTimes.Of(_jobs).Read();

    /// <inheritdoc />
    public void Dispose()
    {
        _kept.Dispose();
        _coupled.Dispose();
        _jobs.Dispose();
    }

    private static (CostTable Costs, string Hash) Costs(
        Device device, CompressionInputs inputs, CompressionSettings settings, PipelineStages stages, StageClock times, CostTable? given)
    {
        var shape = inputs.Parent.Configuration;
        given?.EnsureFits(shape, settings.Scenario);
        var stage = stages.OpenMeasurement([
            ("scenario", settings.Scenario.Label), ("rounds", Text(settings.CostRounds)), ("shape", string.Join(' ', shape.Layers)),
            ("hidden", Text(shape.HiddenSize)), ("vocabulary", Text(shape.VocabularySize)),
            .. settings.Variants.IsAll ? [] : ((string, string)[])[("variants", settings.Variants.Text)],
            .. settings.DecodeSteps is { } steps ? ((string, string)[])[("decode-steps", Text(steps))] : [],
            ("given", given is null ? "no" : ContentHash.OfText(JsonSerializer.Serialize(given, PuzzleJson.Default.CostTable))),
        ]);
        string path = stage.PathOf("costs.json");
        using (var jobs = JobFolder.Open(stage.PathOf("jobs")))
        {
            // One process measures while the others wait, or they would measure each other.
            new JobBoard(jobs).RunAlone("measure", _ => File.Exists(path), () =>
            {
                var measured = given ?? CostMeasurement.Run(device, shape, settings.Scenario, settings.CostRounds, settings.Variants, settings.DecodeSteps);
                AtomicFile.WriteAllText(path, JsonSerializer.Serialize(measured, PuzzleJson.Default.CostTable));
            });
        }

        times.Complete(stage);
        return (CostTableFile.Read(path), ContentHash.OfFile(path));
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
