namespace Tessera.Puzzle.Search;

/// <summary>First solutions from the multipliers of the relaxation.</summary>
internal static class RootHeuristic
{
    // Dearer resources than the dual's pull the selection below the limits; exchanges then spend what is left.
    private static readonly double[] Factors = [1, 1.001, 1.003, 1.01, 1.03, 1.1, 1.3, 2, 0.99, 0.9];

    /// <summary>Offers what each choice of multipliers selects, repaired and improved by exchanges.</summary>
    public static void Run(ReducedProblem problem, DualSimplex simplex, Incumbent incumbent, bool tryPairs)
    {
        var swaps = new SwapSearch(problem);
        var multiplier = new double[problem.RowCount];
        var least = new double[problem.LayerCount];
        var columns = new int[problem.LayerCount];
        foreach (double factor in Factors)
        {
            for (int row = 0; row < multiplier.Length; row++)
            {
                multiplier[row] = factor * simplex.Multiplier[row];
            }

            Lagrangian.Minima(problem, simplex.Forbidden, multiplier, least, columns);
            swaps.Load(columns);
            if (!swaps.Repair(multiplier))
            {
                continue;
            }

            swaps.ImproveSingles();
            if (tryPairs)
            {
                swaps.ImprovePairs();
            }

            incumbent.Offer(problem, swaps.Columns);
        }
    }
}
