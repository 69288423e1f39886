namespace Tessera.Puzzle.Search;

/// <summary>The layer-by-layer baseline of the Puzzle paper.</summary>
/// <remarks>
/// Every limit is split equally over the layers. Layers are visited by ascending mean score, the easiest first; each takes
/// the variant of lowest score that fits its share of every limit, and what it leaves over goes to the layers that follow.
/// Where no variant fits, the one that overdraws its share least is taken, and later layers pay.
/// </remarks>
public static class GreedySearch
{
    /// <summary>The baseline's selection; null where it misses a limit at the end.</summary>
    public static BaselineResult? Solve(SearchProblem problem)
    {
        List<LimitRow> rows = LimitRow.Of(problem);
        double[] remaining = [.. rows.Select(row => row.Limit)];
        double[] scale = [.. rows.Select(row => Scale(problem, row))];
        IEnumerable<int> layers = Enumerable.Range(0, problem.Layers.Count);
        int[] order = [.. layers.OrderBy(layer => problem.Layers[layer].Average(choice => choice.Score))];
        var selection = new int[order.Length];
        for (int visited = 0; visited < order.Length; visited++)
        {
            int layer = order[visited];
            double[] share = [.. remaining.Select(left => left / (order.Length - visited))];
            selection[layer] = Pick(problem, layer, rows, share, scale);
            for (int row = 0; row < rows.Count; row++)
            {
                remaining[row] -= rows[row].Cost(layer, selection[layer]);
            }
        }

        return BaselineResult.From(problem, selection);
    }

    private static int Pick(SearchProblem problem, int layer, List<LimitRow> rows, double[] share, double[] scale)
    {
        int best = 0;
        (double Overdraft, double Score) least = (double.PositiveInfinity, double.PositiveInfinity);
        for (int choice = 0; choice < problem.Layers[layer].Count; choice++)
        {
            double overdraft = 0;
            for (int row = 0; row < rows.Count; row++)
            {
                overdraft = Math.Max(overdraft, (rows[row].Cost(layer, choice) - share[row]) / scale[row]);
            }

            // Shares are quotients: a cost equal to its share may seem above it by a rounding.
            (double Overdraft, double Score) candidate = (overdraft < 1e-12 ? 0 : overdraft, problem.Layers[layer][choice].Score);
            if (candidate.CompareTo(least) < 0)
            {
                (best, least) = (choice, candidate);
            }
        }

        return best;
    }

    private static double Scale(SearchProblem problem, LimitRow row)
    {
        double largest = 0;
        for (int index = 0; index < problem.Layers.Count; index++)
        {
            int layer = index;
            largest = Math.Max(largest, Enumerable.Range(0, problem.Layers[layer].Count).Max(choice => Math.Abs(row.Cost(layer, choice))));
        }

        return largest > 0 ? largest : 1;
    }
}
