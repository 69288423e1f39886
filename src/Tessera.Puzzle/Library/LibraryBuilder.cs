using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Safetensors;
using Tessera.Puzzle.Calibration;
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
    private long _largestPlan;

    private ModelConfiguration Shape => states.Parent.Configuration;

    /// <summary>Completes the library, then deletes the states it was made from.</summary>
    /// <param name="onDone">Called with the number of jobs that are done, whoever did them.</param>
    /// <returns>How many of them this process did.</returns>
    /// <exception cref="DamagedJobException">An earlier job's files are damaged.</exception>
    public int Run(Action<int> onDone)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "weights"));
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

    private JobRecord Order(int layer) => JobRecord.Of(("channels", states.ChannelScores(layer)));

    private JobRecord Make(LibraryHalf half, ParentLayer parentLayer)
    {
        using var weights = device.CreateArena("variant");
        var layer = parentLayer.Read(half.Layer);
        var block = _library.Initialise(
            half, weights, half.FeedForward is null ? [] : jobs.Read(half.OrderJob).Numbers("channels"), layer);
        var distillation = new BlockDistillation(device, states, half.Layer, layer, settings);
        if (!settings.Trains(half.Layer))
        {
            double error = distillation.Error(half, block);
            return JobRecord.Of(("before", [error]), ("after", [error]), ("steps", [0]));
        }

        using var masters = device.CreateArena("masters");
        block = _library.Masters(half, block, masters);
        var result = half.Mixer is null ? distillation.TrainFeedForward(block) : distillation.TrainMixer(block);
        Report(result);
        var record = JobRecord.Of(("before", [result.Before]), ("after", [result.After]), ("steps", [result.Steps]));
        if (!result.IsImproved)
        {
            return record;
        }

        string path = Path.Combine(_folder, "weights", half.Job + ".safetensors");
        SafetensorsWriter.Write(
            path,
            [.. block.Parameters.Select(p => new TensorToWrite(p.Name, p.Decays ? states.Parent.Type : p.Type, [p.Rows, p.Columns], p.Address)
            {
                Source = p.Type,
                Memory = p.Memory,
            })]);
        return record with { Files = [jobs.Describe(path)] };
    }

    /// <summary>Says what a job took where it took more than those before, as the parts of a job differ and the largest decides.</summary>
    private void Report(in BlockDistillationResult result)
    {
        if (result.Planned.Bytes > _largestPlan)
        {
            _largestPlan = result.Planned.Bytes;
            Console.Error.WriteLine($"memory of a block's distillation: planned {HumanUnits.FormatBytes(_largestPlan)}, used {HumanUnits.FormatBytes(result.Used.Bytes)}");
        }
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
