using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>Turns tables, the loads to serve and a filter into the problem that the solvers work on, and solutions back.</summary>
/// <remarks>
/// Columns: memory, parameters, prefill, decode, whole run, keys and values of the first load; then of every further load the
/// same without parameters; then one for every count of layers that a target names. A limit holds in every load it names.
/// </remarks>
public sealed class TableProblem
{
    /// <summary>Index of the parameters among the search's resources.</summary>
    public const int ParameterColumn = 1;

    private readonly IReadOnlyList<int[]> _kept;

    /// <summary>Checks the loads against the tables and applies the filter.</summary>
    /// <param name="tables">Scores and costs.</param>
    /// <param name="loads">One load of every scenario to serve.</param>
    /// <param name="filter">Which variants may be chosen.</param>
    /// <exception cref="ArgumentException">There is no load, or the filter cannot be applied.</exception>
    public TableProblem(SearchTables tables, IReadOnlyList<LoadTable> loads, VariantFilter filter)
    {
        if (loads.Count == 0)
        {
            throw new ArgumentException("there is no load to search for");
        }

        Tables = tables;
        Loads = loads;
        _kept = filter.Apply(tables);
        Variants = [.. _kept.Select((indices, layer) => (IReadOnlyList<ScoredVariant>)[.. indices.Select(index => tables.Layers[layer].Variants[index])])];
    }

    /// <summary>Scores and costs.</summary>
    public SearchTables Tables { get; }

    /// <summary>One load of every scenario.</summary>
    public IReadOnlyList<LoadTable> Loads { get; }

    /// <summary>The variants of every layer that the filter left.</summary>
    public IReadOnlyList<IReadOnlyList<ScoredVariant>> Variants { get; }

    /// <summary>The problem: minimise summed scores under the targets.</summary>
    /// <param name="targets">Limits.</param>
    /// <param name="margin">Share by which limits of time are tightened.</param>
    /// <exception cref="ArgumentException">A target names a scenario or a phase that no load has.</exception>
    public SearchProblem Build(IReadOnlyList<Target> targets, double margin)
    {
        var columns = Columns(targets);
        var layers = Variants.Select((variants, layer) => (IReadOnlyList<Choice>)[.. variants.Select(variant => new Choice(
            variant.Label, Score(variant), [.. columns.Select(column => Cost(column, layer, variant))]))]).ToList();
        return new SearchProblem(layers, new TargetLimits(this, margin).Resources(columns, targets));
    }

    /// <summary>What the columns of <see cref="Build"/> count, in order.</summary>
    public IReadOnlyList<ProblemColumn> Columns(IReadOnlyList<Target> targets)
    {
        var columns = new List<ProblemColumn>();
        for (int load = 0; load < Loads.Count; load++)
        {
            columns.Add(new ProblemColumn(TargetQuantity.Memory, load));
            if (load == 0)
            {
                columns.Add(new ProblemColumn(TargetQuantity.Parameters, -1));
            }

            columns.Add(new ProblemColumn(TargetQuantity.Prefill, load));
            columns.Add(new ProblemColumn(TargetQuantity.Decode, load));
            columns.Add(new ProblemColumn(TargetQuantity.Latency, load));
            columns.Add(new ProblemColumn(TargetQuantity.KvCache, load));
        }

        foreach (var target in targets.Where(target => target.Quantity != TargetQuantity.Parameters && ProblemColumn.IsOfModel(target.Quantity)))
        {
            if (!columns.Exists(column => column.Quantity == target.Quantity && column.Selector?.Text == target.Selector?.Text))
            {
                columns.Add(new ProblemColumn(target.Quantity, -1, target.Selector));
            }
        }

        return columns;
    }

    /// <summary>What a block costs in a load: its halves, no overlap assumed.</summary>
    public Amounts Cost(LoadTable load, ScoredVariant variant) => Cost(load, variant.Mixer, variant.FeedForward);

    /// <summary>What is outside the layers.</summary>
    public Amounts Base(LoadTable load) => ToAmounts(load, Tables.Base, load.Base);

    /// <summary>What a choice of one variant a layer costs in a load.</summary>
    public Amounts Total(LoadTable load, IReadOnlyList<int> choice)
    {
        var total = Base(load);
        for (int layer = 0; layer < choice.Count; layer++)
        {
            total += Cost(load, Variants[layer][choice[layer]]);
        }

        return total;
    }

    /// <summary>What the parent costs in a load, whether or not its blocks may be chosen.</summary>
    public Amounts Parent(LoadTable load) =>
        Tables.Layers.Aggregate(Base(load), (total, layer) => total + Cost(load, layer.Mixer, layer.FeedForward));

    /// <summary>What a column counts of a layer's variant.</summary>
    public double Cost(ProblemColumn column, int layer, ScoredVariant variant) => ProblemColumn.IsOfModel(column.Quantity)
        ? CountOf(column, layer, variant.Mixer, variant.FeedForward)
        : Of(column.Quantity, Cost(Loads[column.Load], variant));

    /// <summary>What a column counts of the whole parent.</summary>
    public double ParentOf(ProblemColumn column)
    {
        if (!ProblemColumn.IsOfModel(column.Quantity))
        {
            return Of(column.Quantity, Parent(Loads[column.Load]));
        }

        // A share of a selector's layers is one of all layers: the parent has none of what is selected, as a rule.
        return column.Quantity == TargetQuantity.Variants
            ? Tables.Layers.Count
            : ConstantOf(column) + Tables.Layers.Select((layer, index) => CountOf(column, index, layer.Mixer, layer.FeedForward)).Sum();
    }

    /// <summary>What a column counts outside the layers.</summary>
    public double ConstantOf(ProblemColumn column) => column.Quantity switch
    {
        TargetQuantity.Parameters => Tables.Base.Parameters,
        _ when ProblemColumn.IsOfModel(column.Quantity) => 0,
        _ => Of(column.Quantity, Base(Loads[column.Load])),
    };

    /// <summary>The indices in the tables of a solution's variants.</summary>
    public int[] ToTables(IReadOnlyList<int> choice) => [.. choice.Select((index, layer) => _kept[layer][index])];

    private static double Of(TargetQuantity quantity, Amounts amounts) => quantity switch
    {
        TargetQuantity.Memory => amounts.MemoryBytes,
        TargetQuantity.KvCache => amounts.KvBytes,
        TargetQuantity.Prefill => amounts.PrefillSeconds,
        TargetQuantity.Decode => amounts.DecodeSeconds,
        _ => amounts.RunSeconds,
    };

    private double CountOf(ProblemColumn column, int layer, string mixer, string feedForward)
    {
        var (m, f) = (Tables.Mixer(mixer), Tables.FeedForward(feedForward));
        var parent = Tables.Layers[layer];
        return column.Quantity switch
        {
            TargetQuantity.Parameters => m.Parameters + f.Parameters,
            TargetQuantity.AttentionLayers => m.Kind == HalfKind.Attention ? 1 : 0,
            TargetQuantity.FeedForwardLayers => f.Kind == HalfKind.FeedForward ? 1 : 0,
            TargetQuantity.Layers => m.Kind == HalfKind.None && f.Kind == HalfKind.None ? 0 : 1,
            _ => column.Selector!.Matches(layer, (parent.Mixer, parent.FeedForward), (mixer, feedForward)) ? 1 : 0,
        };
    }

    private double Score(ScoredVariant variant)
    {
        if (variant.ScenarioScores.Count == 0)
        {
            return variant.Score;
        }

        double weights = Loads.Sum(load => load.Weight);
        return Loads.Sum(load => load.Weight * variant.ScoreIn(load.Scenario)) / weights;
    }

    private Amounts Cost(LoadTable load, string mixer, string feedForward) =>
        ToAmounts(load, Tables.Mixer(mixer), load.Mixers[mixer]) + ToAmounts(load, Tables.FeedForward(feedForward), load.FeedForwards[feedForward]);

    private static Amounts ToAmounts(LoadTable load, HalfSize size, LoadTime time)
    {
        double cache = size.KvBytesPerToken * load.CachedPositions;
        return new Amounts(size.WeightBytes + cache, size.Parameters, time.PrefillSeconds, time.DecodeSeconds, time.RunSeconds, cache);
    }
}
