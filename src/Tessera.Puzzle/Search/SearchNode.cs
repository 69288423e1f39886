namespace Tessera.Puzzle.Search;

/// <summary>A subset of the solutions: its parent's less those that use a forbidden column.</summary>
/// <param name="Parent">The node it was split from; none for the root.</param>
/// <param name="Forbidden">The columns forbidden here and not yet in the parent.</param>
/// <param name="Bound">A proven lower bound on the reduced score.</param>
/// <param name="Basis">The relaxation's last basis, where the next solve starts.</param>
internal sealed record SearchNode(SearchNode? Parent, int[] Forbidden, double Bound, Basis Basis);
