using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tests.Search;

/// <summary>Visits every selection.</summary>
internal static class BruteForce
{
    /// <summary>All feasible selections' least score, +∞ where none is feasible.</summary>
    public static double Best(SearchProblem problem)
    {
        double best = double.PositiveInfinity;
        foreach (int[] choice in All(problem))
        {
            if (IsFeasible(problem, choice))
            {
                double score = 0;
                for (int layer = 0; layer < choice.Length; layer++)
                {
                    score += problem.Layers[layer][choice[layer]].Score;
                }

                best = Math.Min(best, score);
            }
        }

        return best;
    }

    /// <summary>The least sum of one resource among the selections that meet the limits.</summary>
    public static double Extreme(SearchProblem problem, int resource, bool isLeast)
    {
        double best = isLeast ? double.PositiveInfinity : double.NegativeInfinity;
        foreach (int[] choice in All(problem))
        {
            if (IsFeasible(problem, choice))
            {
                double layers = choice.Select((c, layer) => problem.Layers[layer][c].Costs[resource]).Sum();
                double total = problem.Resources[resource].Constant + layers;
                best = isLeast ? Math.Min(best, total) : Math.Max(best, total);
            }
        }

        return best;
    }

    public static IEnumerable<int[]> All(SearchProblem problem)
    {
        var choice = new int[problem.Layers.Count];
        while (true)
        {
            yield return choice;
            int layer = 0;
            while (layer < choice.Length && ++choice[layer] == problem.Layers[layer].Count)
            {
                choice[layer++] = 0;
            }

            if (layer == choice.Length)
            {
                yield break;
            }
        }
    }

    // Own sums with a looser tolerance than the solver's: no random problem comes this near to a limit by chance.
    private static bool IsFeasible(SearchProblem problem, int[] choice)
    {
        for (int k = 0; k < problem.Resources.Count; k++)
        {
            Resource resource = problem.Resources[k];
            double total = resource.Constant;
            for (int layer = 0; layer < choice.Length; layer++)
            {
                total += problem.Layers[layer][choice[layer]].Costs[k];
            }

            if (total > resource.Maximum + 1e-11 || total < resource.Minimum - 1e-11)
            {
                return false;
            }
        }

        return problem.Diversity.All(cut => cut.Choice.Where((c, layer) => c == choice[layer]).Count() <= cut.MaximumEqualLayers);
    }
}
