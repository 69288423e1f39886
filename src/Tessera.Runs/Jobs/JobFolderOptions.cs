namespace Tessera.Runs.Jobs;

/// <summary>Times of leases.</summary>
/// <param name="Heartbeat">Between two signs of life of an owner.</param>
/// <param name="Expiry">Without a sign for so long, by the observer's own clock, an owner on another machine counts as dead.</param>
/// <param name="Poll">Between two looks of a process that waits for others.</param>
public sealed record JobFolderOptions(TimeSpan Heartbeat, TimeSpan Expiry, TimeSpan Poll)
{
    /// <summary>Signs every 10 s, which count for 90 s; a look every 0.2 s.</summary>
    public static JobFolderOptions Default { get; } = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(90), TimeSpan.FromSeconds(0.2));
}
