using System.Diagnostics;
using Tessera.Devices;
using Tessera.Runs;
using Tessera.Runs.Jobs;

namespace Tessera.Puzzle.Compression;

/// <summary>Times the stages of a run, of which each begins where the one before ends, and completes them.</summary>
/// <remarks>A stage that was complete before keeps the time that its manifest tells.</remarks>
internal sealed class StageClock
{
    private readonly List<(string Folder, StageTime Time)> _stages = [];
    private long _start = Stopwatch.GetTimestamp();

    /// <summary>The stages so far.</summary>
    public IReadOnlyList<StageTime> Stages => [.. _stages.Select(stage => stage.Time)];

    /// <summary>Declares a stage complete, with the time since the one before.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="jobs">Its jobs, if it has any.</param>
    public void Complete(RunFolder stage, JobFolder? jobs = null)
    {
        var took = Stopwatch.GetElapsedTime(_start);
        stage.MarkComplete(took);
        var times = jobs is null ? [] : JobTimes.Of(jobs).Read();
        // Two stages may share a name, such as the scores before and behind the pairs; one that is opened again is told once.
        _stages.RemoveAll(other => other.Folder == stage.FullPath);
        _stages.Add((stage.FullPath, new StageTime(
            stage.Manifest.Stage, Math.Round(stage.Manifest.Seconds ?? took.TotalSeconds, 3), times.Count,
            Math.Round(times.Sum(time => time.Seconds), 3), Arena.PeakBytes)));
        _start = Stopwatch.GetTimestamp();
    }
}
