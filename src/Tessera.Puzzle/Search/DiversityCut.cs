namespace Tessera.Puzzle.Search;

/// <summary>An earlier solution from which a new one must differ: at most so many layers may choose what it chose.</summary>
/// <param name="Choice">The earlier solution, one choice index a layer.</param>
/// <param name="MaximumEqualLayers">How many layers may agree with it.</param>
public sealed record DiversityCut(int[] Choice, int MaximumEqualLayers)
{
    /// <summary>The cut Σ equal layers ≤ α · L.</summary>
    public static DiversityCut FromFraction(int[] choice, double maximumEqualFraction)
    {
        // The small addend keeps 0.8 · 80 from becoming 63.
        return new DiversityCut(choice, (int)Math.Floor((maximumEqualFraction * choice.Length) + 1e-9));
    }
}
