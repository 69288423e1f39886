namespace Tessera.Puzzle.Search;

/// <summary>The best solution at one value of what a sweep varies.</summary>
/// <param name="Limit">The value: a limit, a share of the parent, a batch size.</param>
/// <param name="Result">The solution with its certificate.</param>
public sealed record ParetoRow(double Limit, SearchResult Result)
{
    /// <summary>The summed score, +∞ where the limit cannot be met.</summary>
    public double Score => Result.Score;
}
