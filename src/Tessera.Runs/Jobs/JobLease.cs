namespace Tessera.Runs.Jobs;

/// <summary>The right to do a job. Disposed of without a result, it gives the job to whoever asks next.</summary>
public sealed class JobLease : IDisposable
{
    private readonly JobFolder _folder;

    internal JobLease(JobFolder folder, string job) => (_folder, Job) = (folder, job);

    /// <summary>Name of the job.</summary>
    public string Job { get; }

    /// <summary>Declares the job done; its files must be on the disk.</summary>
    /// <exception cref="IOException">The record cannot be written; one sentence. The job is not done then.</exception>
    public void Complete(JobRecord record) => _folder.Finish(Job, record);

    /// <inheritdoc />
    public void Dispose() => _folder.Release(Job);
}
