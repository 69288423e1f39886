namespace Tessera.Runs.Jobs;

/// <summary>What a finished job left is not what its record says. The job can be done again after <see cref="Discard"/>.</summary>
/// <param name="jobs">The folder it lies in.</param>
/// <param name="job">Its name.</param>
/// <param name="sentence">Which file, and what is wrong with it.</param>
/// <param name="inner">What was found on the way, or null.</param>
public sealed class DamagedJobException(JobFolder jobs, string job, string sentence, Exception? inner = null)
    : IOException(sentence, inner)
{
    /// <summary>The job that has to be done again.</summary>
    public string Job { get; } = job;

    /// <summary>Forgets that the job was done; its files are replaced when it is done again.</summary>
    public void Discard() => jobs.Discard(Job);
}
