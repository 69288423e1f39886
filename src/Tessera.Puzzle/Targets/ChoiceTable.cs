using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Targets;

/// <summary>Turns a parent's scores, costs and targets into the problem the solvers work on, and back.</summary>
/// <param name="parent">The parent's shape.</param>
/// <param name="costs">Measured or predicted costs.</param>
/// <param name="tried">Which variants there are; null for the whole grid.</param>
public sealed class ChoiceTable(ModelConfiguration parent, CostTable costs, TriedVariants? tried = null)
{
    private readonly TableProblem _costs = new(
        MeasuredTables.Create(parent, costs, (_, _) => default, tried), [MeasuredTables.Load(costs)], VariantFilter.None);

    /// <summary>Alternatives of every layer, the parent's own first.</summary>
    public IReadOnlyList<IReadOnlyList<BlockVariant>> Variants { get; } = [.. parent.Layers.Select((tried ?? TriedVariants.All).Blocks)];

    /// <summary>Whether the blocks' times come from a model of the machine and not from a clock.</summary>
    public bool HasPredictedTimes => costs.IsPredicted;

    /// <summary>What is outside the layers.</summary>
    public Amounts Base => _costs.Base(_costs.Loads[0]);

    /// <summary>What one block costs: its halves, no overlap assumed.</summary>
    public Amounts Cost(BlockVariant variant) => _costs.Cost(_costs.Loads[0], Labels(variant));

    /// <summary>What a choice of one variant a layer costs.</summary>
    public Amounts Total(IReadOnlyList<int> choice) => _costs.Total(_costs.Loads[0], choice);

    /// <summary>The tables with scores in them.</summary>
    /// <param name="scores">Score of every variant of every layer.</param>
    public SearchTables Tables(Func<int, BlockVariant, Estimate> scores) => MeasuredTables.Create(parent, costs, scores, tried);

    /// <summary>The problem of one load: minimise summed scores.</summary>
    /// <param name="scores">Score of every variant of every layer.</param>
    /// <param name="filter">Which variants may be chosen.</param>
    public TableProblem Scored(Func<int, BlockVariant, Estimate> scores, VariantFilter filter) => new(Tables(scores), _costs.Loads, filter);

    /// <summary>The problem over all variants: minimise summed scores under the targets.</summary>
    /// <param name="scores">Score of every variant of every layer.</param>
    /// <param name="targets">Limits.</param>
    /// <param name="margin">Share by which speed limits are tightened, since measured child times scatter around predictions.</param>
    public SearchProblem Problem(Func<int, BlockVariant, double> scores, IReadOnlyList<Target> targets, double margin) =>
        Scored((layer, variant) => new Estimate(scores(layer, variant), 0, 0), VariantFilter.None).Build(targets, margin);

    /// <summary>The layers of a choice as a configuration.</summary>
    public ModelConfiguration Configuration(IReadOnlyList<int> choice) =>
        parent with { Layers = [.. choice.Select((index, layer) => Variants[layer][index].ToLayer())] };

    /// <summary>The choice that has these labels, layer by layer.</summary>
    public int[] Choice(IEnumerable<string> labels) =>
        [.. labels.Select((label, layer) => Variants[layer].ToList().FindIndex(variant => variant.Label == label))];

    /// <summary>Whether a measured child meets a target; ratios are to the measured parent.</summary>
    internal TargetCheck Check(Target target, CandidateResult parentResult, CandidateResult child)
    {
        int[] choice = Choice(child.Layers);
        double shown;
        if (ProblemColumn.IsOfModel(target.Quantity) && target.Quantity != TargetQuantity.Parameters)
        {
            var column = new ProblemColumn(target.Quantity, -1, target.Selector);
            double count = choice.Select((index, layer) => _costs.Cost(column, layer, Labels(Variants[layer][index]))).Sum();
            shown = target.IsRelative ? count / _costs.ParentOf(column) : count;
        }
        else
        {
            shown = TargetLimits.Reached(target, _costs.Loads[0], Measured(child), Measured(parentResult));
        }

        return new TargetCheck(target.Text, shown, target.IsMaximum ? shown <= target.Value : shown >= target.Value);
    }

    private static ScoredVariant Labels(BlockVariant variant) => new(variant.Mixer.ToString(), variant.FeedForward.ToString(), 0);

    /// <summary>A candidate's amounts with its times as they were measured on the whole model.</summary>
    private Amounts Measured(CandidateResult candidate) => Total(Choice(candidate.Layers)) with
    {
        PrefillSeconds = candidate.PrefillSeconds,
        DecodeSeconds = candidate.DecodeSeconds,
        RunSeconds = candidate.PrefillSeconds + (costs.Scenario.OutputLength * candidate.DecodeSeconds),
    };
}
