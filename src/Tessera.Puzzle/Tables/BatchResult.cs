namespace Tessera.Puzzle.Tables;

/// <summary>What one set of loads allows.</summary>
/// <param name="Search">Its problem.</param>
/// <param name="Solutions">The best solution and those that differ; empty where the limits cannot be met.</param>
/// <param name="IsPareto">
/// Whether no other set of loads is at least as good in score, memory and throughput of every scenario, and better in one.
/// </param>
public sealed record BatchResult(LoadSetSearch Search, IReadOnlyList<ServedSolution> Solutions, bool IsPareto)
{
    /// <summary>The best solution, or null.</summary>
    public ServedSolution? Best => Solutions.Count > 0 ? Solutions[0] : null;
}
