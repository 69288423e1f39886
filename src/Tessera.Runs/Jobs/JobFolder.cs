using System.Text.Json;

namespace Tessera.Runs.Jobs;

/// <summary>
/// Jobs that any number of processes share through a folder: a job is claimed by its lease <c>NAME.lease</c> and done when its record
/// <c>NAME.json</c> is there. Both appear and go as a whole.
/// </summary>
/// <remarks>
/// Leases change only under the lock file <c>leases.lock</c>, which the system frees when its holder dies, so of any number of
/// processes one gets a job. A lease names its owner; the file's time of change is the heartbeat. It is taken over at once where the
/// owner's process ran on the same machine and is gone, and elsewhere when the observer has seen no heartbeat for the expiry, by its
/// own clock. An owner that was only asleep may then do a job that another does too: results are the same and written atomically,
/// so that harms nothing.
/// </remarks>
public sealed class JobFolder : IDisposable
{
    private const string LockName = "leases.lock";
    private const string LeaseSuffix = ".lease";
    private const string RecordSuffix = ".json";

    // A claim waits so long for the lock of the leases, which others hold for less than a millisecond at a time.
    private const int LockTries = 50;

    private readonly JobFolderOptions _options;
    private readonly TimeProvider _clock;
    private readonly JobOwner _owner = JobOwner.New();
    private readonly Lock _gate = new();
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Sign, long Since)> _seen = new(StringComparer.Ordinal);
    private readonly ITimer _heart;

    private JobFolder(string path, JobFolderOptions options, TimeProvider clock)
    {
        (FullPath, _options, _clock) = (path, options, clock);
        _heart = clock.CreateTimer(_ => Beat(), null, options.Heartbeat, options.Heartbeat);
    }

    /// <summary>Absolute path of the folder.</summary>
    public string FullPath { get; }

    /// <summary>Between two looks of a process that waits.</summary>
    public TimeSpan Poll => _options.Poll;

    /// <summary>Opens or makes a folder of jobs.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="options">Times of leases; null for the usual ones.</param>
    /// <param name="clock">The system's if null.</param>
    public static JobFolder Open(string path, JobFolderOptions? options = null, TimeProvider? clock = null)
    {
        string full = Path.GetFullPath(path);
        Directory.CreateDirectory(full);
        return new JobFolder(full, options ?? JobFolderOptions.Default, clock ?? TimeProvider.System);
    }

    /// <summary>Names of the jobs that are done.</summary>
    public HashSet<string> Done() => [.. Directory.EnumerateFiles(FullPath, "*" + RecordSuffix).Select(path => Path.GetFileNameWithoutExtension(path))];

    /// <summary>Whether a job is done.</summary>
    public bool IsDone(string job) => File.Exists(PathOf(job, RecordSuffix));

    /// <summary>Claims a job; null where it is done or somebody is at it.</summary>
    /// <exception cref="IOException">The folder cannot be written; one sentence.</exception>
    public JobLease? TryClaim(string job)
    {
        if (IsDone(job))
        {
            return null;
        }

        using var hold = Lock(LockTries);
        if (hold is null || IsDone(job) || !IsFree(job))
        {
            return null;
        }

        // A lease is worth nothing after a failure of power, so nobody waits for the disk under the lock.
        byte[] lease = JsonSerializer.SerializeToUtf8Bytes(new JobLeaseFile(_owner, _options.Expiry.TotalSeconds), JobJson.Default.JobLeaseFile);
        AtomicFile.Write(PathOf(job, LeaseSuffix), stream => stream.Write(lease), isDurable: false);
        lock (_gate)
        {
            _held.Add(job);
        }

        return new JobLease(this, job);
    }

    /// <summary>The record of a job that is done.</summary>
    /// <exception cref="DamagedJobException">The record is not one.</exception>
    public JobRecord Read(string job)
    {
        string path = PathOf(job, RecordSuffix);
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), JobJson.Default.JobRecord)
                ?? throw new JsonException("it is null");
        }
        catch (Exception exception) when (exception is JsonException or FileNotFoundException)
        {
            throw new DamagedJobException(this, job, $"{path}: this is not the record of a job ({exception.Message})", exception);
        }
    }

    /// <summary>Describes a file that a job has written, for its record.</summary>
    /// <param name="path">The file, below the folder that this one lies in.</param>
    public JobFile Describe(string path) => new(
        Path.GetRelativePath(Path.GetDirectoryName(FullPath)!, path).Replace(Path.DirectorySeparatorChar, '/'),
        new FileInfo(path).Length, ContentHash.OfFile(path));

    /// <summary>The path of a job's file, after its contents were held against the record.</summary>
    /// <exception cref="DamagedJobException">The file is missing or holds something else.</exception>
    public string Verified(string job, JobFile file)
    {
        string path = PathOf(file);
        if (!File.Exists(path))
        {
            throw new DamagedJobException(this, job, $"{path}: the file is missing, which job '{job}' left");
        }

        return new FileInfo(path).Length == file.Bytes && ContentHash.OfFile(path) == file.Sha256
            ? path
            : throw new DamagedJobException(this, job, $"{path}: the file does not hold what job '{job}' left there");
    }

    /// <summary>Where a job's file lies.</summary>
    public string PathOf(JobFile file) => Path.Combine(Path.GetDirectoryName(FullPath)!, file.Name);

    /// <summary>Forgets that a job was done.</summary>
    public void Discard(string job) => File.Delete(PathOf(job, RecordSuffix));

    /// <summary>Releases what is still claimed and stops the heartbeat.</summary>
    public void Dispose()
    {
        _heart.Dispose();
        foreach (string job in Held())
        {
            Release(job);
        }
    }

    internal void Finish(string job, JobRecord record)
    {
        AtomicFile.WriteAllText(PathOf(job, RecordSuffix), JsonSerializer.Serialize(record, JobJson.Default.JobRecord) + "\n");
        Release(job);
    }

    internal void Release(string job)
    {
        lock (_gate)
        {
            if (!_held.Remove(job))
            {
                return;
            }
        }

        using var hold = Lock(int.MaxValue);
        string path = PathOf(job, LeaseSuffix);
        if (ReadLease(path)?.Owner == _owner)
        {
            File.Delete(path);
        }
    }

    private string[] Held()
    {
        lock (_gate)
        {
            return [.. _held];
        }
    }

    private void Beat()
    {
        foreach (string job in Held())
        {
            try
            {
                File.SetLastWriteTimeUtc(PathOf(job, LeaseSuffix), _clock.GetUtcNow().UtcDateTime);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // A missed beat is made good by the next; a lease that is lost is found lost when the job ends.
            }
        }
    }

    /// <summary>Whether nobody alive holds a job; called under the lock.</summary>
    private bool IsFree(string job)
    {
        string path = PathOf(job, LeaseSuffix);
        if (!File.Exists(path))
        {
            return true;
        }

        if (ReadLease(path) is not { } lease)
        {
            // Leases are written as a whole, so one that cannot be read is nobody's.
            return true;
        }

        if (lease.Owner.IsGone)
        {
            return true;
        }

        string sign = $"{lease.Owner.Token} {File.GetLastWriteTimeUtc(path).Ticks}";
        if (!_seen.TryGetValue(job, out var seen) || seen.Sign != sign)
        {
            _seen[job] = (sign, _clock.GetTimestamp());
            return false;
        }

        return _clock.GetElapsedTime(seen.Since).TotalSeconds >= lease.ExpirySeconds;
    }

    private static JobLeaseFile? ReadLease(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), JobJson.Default.JobLeaseFile);
        }
        catch (Exception exception) when (exception is JsonException or FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>The lock of all leases, or null where another holds it through so many looks, 2 ms apart.</summary>
    private FileStream? Lock(int tries)
    {
        for (int i = 0; ; i++)
        {
            if (TryLock() is { } hold)
            {
                return hold;
            }

            if (i + 1 >= tries)
            {
                return null;
            }

            Thread.Sleep(2);
        }
    }

    /// <summary>The lock of all leases, or null while another holds it, which is never for long.</summary>
    private FileStream? TryLock()
    {
        string path = Path.Combine(FullPath, LockName);
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return AtomicFile.Explain(exception, path) is { } sentence ? throw new IOException(sentence, exception) : null;
        }
    }

    private string PathOf(string job, string suffix) => Path.Combine(FullPath, job + suffix);
}
