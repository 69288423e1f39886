namespace Tessera.Puzzle.Search;

/// <summary>One limit in the form Σ Cost(layer, choice) ≤ Limit: a maximum, a negated minimum or a diversity cut.</summary>
/// <param name="Resource">The resource it limits, −1 for a diversity cut.</param>
/// <param name="Sign">+1 for a maximum, −1 for a minimum.</param>
/// <param name="Limit">The right-hand side less the constant, loosened by what counts as rounding.</param>
/// <param name="Cost">The coefficient of a layer's choice.</param>
internal sealed record LimitRow(int Resource, int Sign, double Limit, Func<int, int, double> Cost)
{
    /// <summary>All limits of a problem that some selection could break.</summary>
    public static List<LimitRow> Of(SearchProblem problem)
    {
        var rows = new List<LimitRow>();
        for (int index = 0; index < problem.Resources.Count; index++)
        {
            int resource = index;
            Resource limits = problem.Resources[resource];
            double slack = problem.SlackOf(resource);
            if (!double.IsPositiveInfinity(limits.Maximum))
            {
                double limit = limits.Maximum - limits.Constant + slack;
                rows.Add(new LimitRow(resource, 1, limit, (layer, choice) => problem.Layers[layer][choice].Costs[resource]));
            }

            if (!double.IsNegativeInfinity(limits.Minimum))
            {
                double limit = limits.Constant - limits.Minimum + slack;
                rows.Add(new LimitRow(resource, -1, limit, (layer, choice) => -problem.Layers[layer][choice].Costs[resource]));
            }
        }

        foreach (DiversityCut cut in problem.Diversity)
        {
            rows.Add(new LimitRow(-1, 1, cut.MaximumEqualLayers, (layer, choice) => cut.Choice[layer] == choice ? 1 : 0));
        }

        rows.RemoveAll(row => row.NeverBinds(problem));
        return rows;
    }

    private bool NeverBinds(SearchProblem problem)
    {
        double most = 0;
        for (int index = 0; index < problem.Layers.Count; index++)
        {
            int layer = index;
            most += Enumerable.Range(0, problem.Layers[layer].Count).Max(choice => Cost(layer, choice));
        }

        return most <= Limit;
    }
}
