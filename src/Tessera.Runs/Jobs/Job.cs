namespace Tessera.Runs.Jobs;

/// <summary>One job of a plan that every process makes alike.</summary>
/// <param name="Name">Letters, digits, hyphens and points; also the name of its files.</param>
/// <param name="Needs">Jobs that must be done before; they stand earlier in the plan.</param>
/// <param name="Run">Does it and returns what to record. Its result may depend on nothing but what the plan fixes.</param>
public sealed record Job(string Name, IReadOnlyList<string> Needs, Func<JobRecord> Run)
{
    /// <summary>Whether it is wanted for itself; others are done only where one that is wanted needs them.</summary>
    public bool IsWanted { get; init; } = true;
}
