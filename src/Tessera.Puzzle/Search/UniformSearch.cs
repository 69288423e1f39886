namespace Tessera.Puzzle.Search;

/// <summary>The homogeneous baseline: one variant, by name, in every layer.</summary>
/// <remarks>A layer with a single variant is pinned: it keeps that variant, whatever its name.</remarks>
public static class UniformSearch
{
    /// <summary>
    /// The variant of lowest summed score that, used in every layer that is not pinned, meets the limits; null where none
    /// does. Only names that every such layer offers are tried; of equal scores the first in the first such layer wins.
    /// </summary>
    public static BaselineResult? Solve(SearchProblem problem)
    {
        IReadOnlyList<Choice> names = problem.Layers.FirstOrDefault(layer => layer.Count > 1) ?? problem.Layers[0];
        BaselineResult? best = null;
        foreach (Choice variant in names)
        {
            int[]? selection = Selection(problem, variant.Name);
            BaselineResult? candidate = selection is null ? null : BaselineResult.From(problem, selection);
            if (candidate is not null && (best is null || candidate.Score < best.Score))
            {
                best = candidate;
            }
        }

        return best;
    }

    private static int[]? Selection(SearchProblem problem, string name)
    {
        var selection = new int[problem.Layers.Count];
        for (int layer = 0; layer < selection.Length; layer++)
        {
            IReadOnlyList<Choice> choices = problem.Layers[layer];
            while (choices.Count > 1 && choices[selection[layer]].Name != name)
            {
                if (++selection[layer] == choices.Count)
                {
                    return null;
                }
            }
        }

        return selection;
    }
}
