namespace Tessera.Puzzle.Search;

/// <summary>One variant that a layer may take.</summary>
/// <param name="Name">How reports call the variant; equal names in different layers mean the same kind of variant.</param>
/// <param name="Score">What choosing it adds to the objective, smaller is better (a mean KL divergence); finite.</param>
/// <param name="Costs">What it uses of every resource, in the order and units of <see cref="SearchProblem.Resources"/>.</param>
public sealed record Choice(string Name, double Score, double[] Costs);
