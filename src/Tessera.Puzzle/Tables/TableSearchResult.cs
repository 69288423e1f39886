namespace Tessera.Puzzle.Tables;

/// <summary>What a search in tables found.</summary>
/// <param name="Batches">Every set of loads that was tried, in order of batches.</param>
/// <param name="Chosen">The set whose best solution has the lowest score, of equals the one of the highest throughput.</param>
/// <param name="Baselines">Simpler searches in the chosen set.</param>
/// <param name="Sweep">Steps of the sweep, set by set; empty where none was asked for.</param>
public sealed record TableSearchResult(
    IReadOnlyList<BatchResult> Batches, BatchResult Chosen, IReadOnlyList<ServedSolution> Baselines, IReadOnlyList<SweepPoint> Sweep);
