using System.Text.Json;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Library;

/// <summary>
/// Trains pairs of a mixer and a feed-forward as one block each (coupled distillation), a job a pair, beside any number of other
/// processes. A pair begins with its halves as the library has them, and all its weights are trained.
/// </summary>
/// <param name="device">Where to compute.</param>
/// <param name="states">The parent's states on the calibration data.</param>
/// <param name="halves">The library that the pairs begin with.</param>
/// <param name="settings">Length and rate of each distillation.</param>
/// <param name="jobs">The stage's jobs.</param>
public sealed class PairBuilder(
    Device device, ParentStates states, BlockLibrary halves, BlockDistillationSettings settings, JobFolder jobs)
{
    private const string IndexName = "pairs.json";
    private readonly JobWeights _weights = new(jobs);
    private readonly DistillationPeak _peak = new();

    /// <summary>Trains all pairs that no process has trained yet, then deletes the states.</summary>
    /// <param name="pairs">The pairs, the same in every process.</param>
    /// <param name="onDone">Called with the number of pairs that are done, whoever did them.</param>
    /// <returns>How many of them this process did.</returns>
    /// <exception cref="DamagedJobException">An earlier job's files are damaged.</exception>
    public int Run(IReadOnlyList<LibraryPair> pairs, Action<int> onDone)
    {
        int own = new JobBoard(jobs).Run(
            JobTimes.Of(jobs).Timed(
                [.. states.Plan, .. pairs.Select(pair => new Job(pair.Job, ParentStates.JobsOfLayer(pair.Layer), () => Make(pair)))]),
            onDone);
        AtomicFile.WriteAllText(
            Path.Combine(Path.GetDirectoryName(jobs.FullPath)!, IndexName),
            JsonSerializer.Serialize([.. pairs.Select(Entry)], PuzzleJson.Default.PairEntryArray) + "\n");
        states.Delete();
        return own;
    }

    private JobRecord Make(LibraryPair pair)
    {
        using var weights = device.CreateArena("variant");
        var mixer = PairLibrary.MixerOf(pair, states.Parent, DType.F32, weights);
        var feedForward = PairLibrary.FeedForwardOf(pair, states.Parent, DType.F32, weights);
        Copy(arena => halves.Mixer(pair.Layer, pair.Block.Mixer, arena), mixer);
        Copy(arena => halves.FeedForward(pair.Layer, pair.Block.FeedForward, arena), feedForward);
        var block = new DecoderLayer(mixer, feedForward);

        // Nothing of the parent stands beside a pair.
        var result = new BlockDistillation(device, states, pair.Layer, new DecoderLayer(null, null), settings).TrainBlock(block);
        _peak.Report(result);
        var record = JobRecord.Of(("before", [result.Before]), ("after", [result.After]), ("steps", [result.Steps]));
        return result.IsImproved ? record with { Files = [_weights.Write(pair.Job, block.Parameters, states.Parent.Type)] } : record;
    }

    private void Copy(Func<Arena, SubBlock?> read, SubBlock? target)
    {
        if (target is not null)
        {
            using var source = device.CreateArena("half of a pair");
            MasterWeights.Fill(device, read(source)!, target);
        }
    }

    private PairEntry Entry(LibraryPair pair)
    {
        var record = jobs.Read(pair.Job);
        return new PairEntry(
            pair.Layer, pair.Block.Label, record.Files.Count > 0 ? record.Files[0].Name : null, record.Numbers("before")[0],
            record.Numbers("after")[0], (int)record.Numbers("steps")[0]);
    }
}
