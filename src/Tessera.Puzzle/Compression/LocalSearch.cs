using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Compression;

/// <summary>Searches with scores that were taken inside a child, where they hold: not too far from that child.</summary>
/// <remarks>
/// With K(c) the child's realised score and K(c, l → j) that with layer l replaced by variant j, the model of a choice y is
/// K(c) + Σₗ (K(c, l → yₗ) − K(c)): exact where y differs from c in one layer, and the worse the more layers differ. So the search is repeated with
/// at most L, L/2, L/4, … 1 layers changed, and what each finds is assembled. One more search minimises the mean of this model and the sum of
/// one-swap scores in the parent: with pairwise terms alone the first errs by those among the layers that go back to the parent's, the second by those
/// among the layers that stay, and the mean is exact for the difference between child and parent.
/// </remarks>
/// <param name="settings">Limits and filter.</param>
/// <param name="table">Variants and costs.</param>
internal sealed class LocalSearch(CompressionSettings settings, ChoiceTable table)
{
    /// <summary>A proposed choice, in indices of the tables.</summary>
    internal sealed record Proposal(string Name, int[] Choice, double Predicted, double LowerBound);

    /// <summary>Distinct choices that differ from the child; each meets the limits.</summary>
    /// <param name="child">The child that was scored around.</param>
    /// <param name="own">Its realised score.</param>
    /// <param name="swaps">Scores of the child with one layer replaced.</param>
    /// <param name="scores">Scores of the parent with one layer replaced.</param>
    public IReadOnlyList<Proposal> Propose(IReadOnlyList<int> child, double own, ScoreTable swaps, ScoreTable scores)
    {
        int layers = table.Variants.Count;
        double share = own / layers;
        double Inside(int layer, BlockVariant variant) => swaps.Score(layer, variant).Mean - own + share;
        var proposals = new List<Proposal>();
        for (int most = layers; most >= 1; most /= 2)
        {
            Add(proposals, most == layers ? "any number of layers changed" : most == 1 ? "one layer changed" : $"at most {most} layers changed", Solve(child, Inside, most));
        }

        Add(proposals, "mean of the scores in child and parent", Solve(child, (layer, variant) => (Inside(layer, variant) + scores.Score(layer, variant).Mean) / 2, layers));
        return [.. proposals.Where(proposal => !proposal.Choice.AsSpan().SequenceEqual([.. child]))];
    }

    private static void Add(List<Proposal> proposals, string name, (int[] Choice, double Predicted, double LowerBound)? found)
    {
        if (found is { } solution && !proposals.Exists(other => other.Choice.AsSpan().SequenceEqual(solution.Choice)))
        {
            proposals.Add(new Proposal(name, solution.Choice, solution.Predicted, solution.LowerBound));
        }
    }

    private (int[] Choice, double Predicted, double LowerBound)? Solve(IReadOnlyList<int> child, Func<int, BlockVariant, double> scores, int most)
    {
        var scored = table.Scored((layer, variant) => new Estimate(scores(layer, variant), 0, 0), settings.Filter);
        var problem = scored.Build(settings.Targets, settings.Margin);
        var result = ExactSolver.Solve(most == table.Variants.Count ? problem : Near(problem, child, most));
        return result.HasSolution ? (scored.ToTables(result.Choice), result.Score, result.LowerBound) : null;
    }

    /// <summary>The problem with at most so many layers other than the child's.</summary>
    private SearchProblem Near(SearchProblem problem, IReadOnlyList<int> child, int most) => new(
        [.. problem.Layers.Select((choices, layer) => (IReadOnlyList<Choice>)[.. choices.Select(choice => choice with
        {
            Costs = [.. choice.Costs, choice.Name == table.Variants[layer][child[layer]].Label ? 0 : 1],
        })])],
        [.. problem.Resources, new Resource("layers that differ from the child", most)]);
}
