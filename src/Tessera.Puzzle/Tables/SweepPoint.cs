using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>One step of a sweep for one set of loads.</summary>
/// <param name="Step">The target at this step.</param>
/// <param name="Loads">The loads.</param>
/// <param name="Best">The best solution; null where the limits cannot be met or none was found in time.</param>
/// <param name="Baselines">Simpler searches that meet the limits.</param>
public sealed record SweepPoint(Target Step, IReadOnlyList<LoadTable> Loads, ServedSolution? Best, IReadOnlyList<ServedSolution> Baselines)
{
    /// <summary>The objective of a baseline; null where it does not meet the limits.</summary>
    public double? ScoreOf(string baseline) => Baselines.FirstOrDefault(solution => solution.Name == baseline)?.Score;
}
