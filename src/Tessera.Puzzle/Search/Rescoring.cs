namespace Tessera.Puzzle.Search;

/// <summary>Problems with one of their own resources as the objective.</summary>
internal static class Rescoring
{
    /// <summary>The problem with scores sign · cost of a resource.</summary>
    public static SearchProblem ByCost(SearchProblem problem, int resource, double sign)
    {
        List<IReadOnlyList<Choice>> layers = [];
        foreach (IReadOnlyList<Choice> layer in problem.Layers)
        {
            layers.Add([.. layer.Select(choice => choice with { Score = sign * choice.Costs[resource] })]);
        }

        return new SearchProblem(layers, problem.Resources, problem.Diversity);
    }

    /// <summary>The problem with every diversity cut turned into a resource that counts equal layers.</summary>
    public static SearchProblem WithDiversityAsResources(SearchProblem problem)
    {
        IReadOnlyList<DiversityCut> cuts = problem.Diversity;
        List<IReadOnlyList<Choice>> layers = [];
        for (int index = 0; index < problem.Layers.Count; index++)
        {
            int layer = index;
            layers.Add([.. problem.Layers[layer].Select((choice, variant) => choice with
            {
                Costs = [.. choice.Costs, .. cuts.Select(cut => cut.Choice[layer] == variant ? 1.0 : 0.0)],
            })]);
        }

        IEnumerable<Resource> counts = cuts.Select((cut, earlier) =>
            new Resource($"number of layers equal to earlier solution {earlier + 1}", cut.MaximumEqualLayers));
        return new SearchProblem(layers, [.. problem.Resources, .. counts]);
    }
}
