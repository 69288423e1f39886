using System.Diagnostics;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Planning;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Library;

/// <summary>
/// Makes a library job by job, one for every half of every layer, beside any number of other processes. A job reads the parent's layer
/// and its states a batch at a time, and leaves the weights in a file and its losses in a record.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="states">The parent's states on the calibration data, for distillation.</param>
/// <param name="settings">Length and rate of each distillation; 0 steps leave the initial weights.</param>
/// <param name="jobs">The stage's jobs.</param>
/// <param name="tried">Which halves are made; null for the whole grid.</param>
public sealed class LibraryBuilder(
    Device device, ParentStates states, BlockDistillationSettings settings, JobFolder jobs, TriedVariants? tried = null)
{
    private const string IndexName = "library.json";
    private readonly BlockLibrary _library = new(device, states.Parent, jobs, tried);
    private readonly string _folder = Path.GetDirectoryName(jobs.FullPath)!;
    private readonly JobWeights _weights = new(jobs);
    private readonly DistillationPeak _peak = new();
    private readonly DistillationWork _work = DistillationWork.Of(states.Parent.Configuration, states.Steps, settings);
    private readonly Stopwatch _time = new();
    private double _operations;

    /// <summary>Rounds in which channels are cut; with 1 they are ordered by what each contributes to the whole.</summary>
    public int PruneRounds { get; init; } = 1;

    /// <summary>Operations a second of the distillations that this builder did; 0 where it did none.</summary>
    public double Rate => _operations == 0 ? 0 : _operations / _time.Elapsed.TotalSeconds;

    private ModelConfiguration Shape => states.Parent.Configuration;

    /// <summary>Completes the library, then deletes the states it was made from.</summary>
    /// <param name="onDone">Called with the number of jobs that are done, whoever did them.</param>
    /// <returns>How many of them this process did.</returns>
    /// <exception cref="DamagedJobException">An earlier job's files are damaged.</exception>
    public int Run(Action<int> onDone)
    {
        var halves = BlockLibrary.Halves(Shape, tried).ToList();
        var orders = halves.Where(half => half.FeedForward is not null).Select(half => half.Layer).Distinct()
            .Select(layer => new Job(LibraryHalf.OrderJobOf(layer), ParentStates.JobsOfLayer(layer), () => Order(layer)));
        using var parentLayer = new ParentLayer(device, states.Parent);
        int own = new JobBoard(jobs).Run(
            JobTimes.Of(jobs).Timed(
            [
                .. states.Plan, .. orders,
                .. halves.Select(half => new Job(
                    half.Job,
                    half.FeedForward is null ? ParentStates.JobsOfLayer(half.Layer) : [.. ParentStates.JobsOfLayer(half.Layer), half.OrderJob],
                    () => Make(half, parentLayer))),
            ]),
            onDone);
        WriteIndex(halves);
        states.Delete();
        return own;
    }

    /// <summary>Number of jobs that <see cref="Run"/> counts.</summary>
    public static int JobCount(ModelConfiguration parent, TriedVariants? tried = null) => BlockLibrary.Halves(parent, tried)
        .SelectMany(half => half.FeedForward is null ? (string[])[half.Job] : [half.Job, half.OrderJob]).Distinct().Count();

    private JobRecord Order(int layer)
    {
        var record = JobRecord.Of(("channels", states.ChannelScores(layer)));
        int[] order = PruneRounds > 1 ? new ChannelElimination(device, states, layer).Order(PruneRounds) : [];
        return order.Length == 0
            ? record
            : record with { Values = [.. record.Values, KeyValuePair.Create("order", order.Select(channel => (double)channel).ToArray())] };
    }

    private JobRecord Make(LibraryHalf half, ParentLayer parentLayer)
    {
        _time.Start();
        var record = Distil(half, parentLayer);
        _time.Stop();
        _operations += settings.Trains(half.Layer) ? _work.Half(half) : 0;
        return record;
    }

    private JobRecord Distil(LibraryHalf half, ParentLayer parentLayer)
    {
        using var weights = device.CreateArena("variant");
        var layer = parentLayer.Read(half.Layer);
        var block = _library.Initialise(half, weights, layer);
        var distillation = new BlockDistillation(device, states, half.Layer, layer, settings);
        if (!settings.Trains(half.Layer))
        {
            double error = distillation.Error(half, block);
            return JobRecord.Of(("before", [error]), ("after", [error]), ("steps", [0]));
        }

        using var masters = device.CreateArena("masters");
        block = _library.Masters(half, block, masters);
        var result = half.Mixer is null ? distillation.TrainFeedForward(block) : distillation.TrainMixer(block);
        _peak.Report(result);
        var record = JobRecord.Of(("before", [result.Before]), ("after", [result.After]), ("steps", [result.Steps]));
        return result.IsImproved ? record with { Files = [_weights.Write(half.Job, block.Parameters, states.Parent.Type)] } : record;
    }

    /// <summary>Says for people and other programs where each half is to be found.</summary>
    private void WriteIndex(IEnumerable<LibraryHalf> halves)
    {
        var entries = halves.Select(half =>
        {
            var record = jobs.Read(half.Job);
            return new LibraryEntry(
                half.Layer, half.Label,
                record.Files.Count > 0 ? StoredAs.File : half.FeedForward is SwiGluConfiguration ? StoredAs.Channels : StoredAs.Parent,
                record.Files.Count > 0 ? record.Files[0].Name : null, record.Numbers("before")[0], record.Numbers("after")[0],
                (int)record.Numbers("steps")[0]);
        });
        AtomicFile.WriteAllText(
            Path.Combine(_folder, IndexName),
            System.Text.Json.JsonSerializer.Serialize([.. entries], PuzzleJson.Default.LibraryEntryArray) + "\n");
    }
}
