using System.Diagnostics;
using System.Text.Json;

namespace Tessera.Runs.Jobs;

/// <summary>How long one job took.</summary>
/// <param name="Job">Its name.</param>
/// <param name="Seconds">Of the process that did it, from its beginning to its record.</param>
/// <param name="Owner">Tells processes apart; random.</param>
public sealed record JobTime(string Job, double Seconds, string Owner);

/// <summary>
/// Times of a folder's jobs, one line a job in a file <c>times-OWNER.jsonl</c> of each process beside the folder. They are kept apart
/// from the records, whose contents follow from the plan alone.
/// </summary>
public sealed class JobTimes
{
    private readonly string _folder;
    private readonly string _owner = Guid.NewGuid().ToString("N");

    private JobTimes(string folder) => _folder = folder;

    /// <summary>The times of a folder's jobs.</summary>
    public static JobTimes Of(JobFolder jobs) => new(Path.GetDirectoryName(jobs.FullPath)!);

    /// <summary>The same jobs, each of which notes its time when it is done.</summary>
    public IReadOnlyList<Job> Timed(IReadOnlyList<Job> plan) => [.. plan.Select(job => job with { Run = () => Run(job) })];

    /// <summary>What was noted, the processes one behind the other; of a job that was done again one time. Lines that a crash cut short are left out.</summary>
    public IReadOnlyList<JobTime> Read()
    {
        var times = new Dictionary<string, JobTime>(StringComparer.Ordinal);
        foreach (string line in Directory.EnumerateFiles(_folder, "times-*.jsonl").Order(StringComparer.Ordinal).SelectMany(File.ReadAllLines))
        {
            if (TryRead(line) is { } time)
            {
                times.Remove(time.Job);
                times.Add(time.Job, time);
            }
        }

        return [.. times.Values];
    }

    private static JobTime? TryRead(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, JobJson.Default.JobTime);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private JobRecord Run(Job job)
    {
        long start = Stopwatch.GetTimestamp();
        var record = job.Run();
        string line = JsonSerializer.Serialize(
            new JobTime(job.Name, Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 6), _owner), JobJson.Default.JobTime) + "\n";
        try
        {
            File.AppendAllText(Path.Combine(_folder, $"times-{_owner}.jsonl"), line);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A time that cannot be noted is no reason to lose the job; where the disk is full its record says so.
        }

        return record;
    }
}
