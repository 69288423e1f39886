using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Tables;

/// <summary>Tables of a search from costs and scores of a compression.</summary>
public static class MeasuredTables
{
    /// <summary>Name of a scenario that has none of its own, such as the one that a compression measures.</summary>
    public const string Scenario = "serving";

    /// <summary>Sizes, times and scores of a parent's library.</summary>
    /// <param name="parent">The parent's shape.</param>
    /// <param name="costs">Measured costs of its halves.</param>
    /// <param name="scores">Score of every variant of every layer.</param>
    /// <param name="tried">Which variants there are; null for the whole grid.</param>
    /// <exception cref="InvalidDataException">The costs lack a half.</exception>
    public static SearchTables Create(
        ModelConfiguration parent, CostTable costs, Func<int, BlockVariant, Estimate> scores, TriedVariants? tried = null)
    {
        var variants = parent.Layers.Select((tried ?? TriedVariants.All).Blocks).ToList();
        var mixers = variants.SelectMany(list => list).Select(variant => variant.Mixer).Distinct();
        var feedForwards = variants.SelectMany(list => list).Select(variant => variant.FeedForward).Distinct();
        return new SearchTables
        {
            Shape = new TableShape(parent.HiddenSize, parent.HeadCount, parent.HeadDim),
            ScoreName = "KL(parent || parent with one layer replaced), nats a token",
            Mixers = mixers.ToDictionary(mixer => mixer.ToString(), mixer => Size(mixer, Find(costs.Mixers, mixer.ToString()))),
            FeedForwards = feedForwards.ToDictionary(
                feedForward => feedForward.ToString(), feedForward => Size(feedForward, Find(costs.FeedForwards, feedForward.ToString()))),
            Base = Size(HalfKind.None, costs.Base),
            Loads = [Load(costs)],
            Layers = [.. parent.Layers.Select((layer, index) => new LayerTable(
                layer.Mixer.ToString(), layer.FeedForward.ToString(), [.. variants[index].Select(variant => Scored(variant, scores(index, variant)))]))],
        };
    }

    /// <summary>Tables with the times of one more load; they replace those of the same scenario and batch.</summary>
    /// <param name="tables">The tables.</param>
    /// <param name="costs">Costs of the same halves, stored the same way, in another load.</param>
    /// <param name="scenario">A name for their scenario.</param>
    /// <param name="source">Where the costs come from, for messages.</param>
    /// <exception cref="InvalidDataException">The costs are of other halves.</exception>
    public static SearchTables With(SearchTables tables, CostTable costs, string scenario, string source)
    {
        EnsureSame(tables.Mixers, costs.Mixers, source);
        EnsureSame(tables.FeedForwards, costs.FeedForwards, source);
        var load = Load(costs, scenario);
        double weight = tables.Loads.FirstOrDefault(other => other.Scenario == load.Scenario)?.Weight ?? load.Weight;
        return tables with
        {
            Loads = [.. tables.Loads.Where(other => other.Scenario != load.Scenario || other.Batch != load.Batch), load with { Weight = weight }],
        };
    }

    /// <summary>Tables with the times of all loads of a file; a load without a name belongs to the tables' first scenario.</summary>
    /// <param name="tables">The tables.</param>
    /// <param name="costs">Costs of the same halves.</param>
    /// <param name="scenario">A name for the scenario of them all, or null for their own.</param>
    /// <param name="source">Where the costs come from, for messages.</param>
    /// <exception cref="InvalidDataException">The costs are of other halves, or a name is given for several scenarios.</exception>
    public static SearchTables With(SearchTables tables, CostSet costs, string? scenario, string source)
    {
        string first = tables.Loads[0].Scenario;
        string[] names = [.. costs.Loads.Select(table => table.Name ?? first).Distinct()];
        return scenario is null || names.Length == 1
            ? costs.Loads.Aggregate(tables, (joined, table) => With(joined, table, scenario ?? table.Name ?? first, source))
            : throw new InvalidDataException($"{source}: there are the scenarios {string.Join(", ", names)}, which cannot all be called {scenario}");
    }

    /// <summary>The times of a cost table.</summary>
    /// <param name="costs">The table.</param>
    /// <param name="scenario">A name for its scenario.</param>
    public static LoadTable Load(CostTable costs, string scenario = Scenario)
    {
        LoadTime Time(VariantCost cost) => LoadTime.OfPhases(cost.PrefillSeconds, cost.DecodeSeconds, costs.Scenario.OutputLength);
        return new LoadTable
        {
            Scenario = scenario,
            Batch = costs.Scenario.Batch,
            QueuedPrompts = costs.Scenario.QueuedPrompts,
            InputLength = costs.Scenario.InputLength,
            OutputLength = costs.Scenario.OutputLength,
            Machine = costs.Machine,
            IsPredicted = costs.IsPredicted,
            Label = costs.Scenario.Label,
            Base = Time(costs.Base),
            Mixers = costs.Mixers.ToDictionary(pair => pair.Key, pair => Time(pair.Value)),
            FeedForwards = costs.FeedForwards.ToDictionary(pair => pair.Key, pair => Time(pair.Value)),
        };
    }

    private static void EnsureSame(IReadOnlyDictionary<string, HalfSize> sizes, IReadOnlyDictionary<string, VariantCost> costs, string source)
    {
        foreach (var (label, size) in sizes)
        {
            if (!costs.TryGetValue(label, out var cost))
            {
                throw new InvalidDataException($"{source}: there is no row for {label}: measure again for this model");
            }

            if (cost.Parameters != size.Parameters || cost.WeightBytes != size.WeightBytes || cost.KvBytesPerToken != size.KvBytesPerToken)
            {
                throw new InvalidDataException(
                    $"{source}: {label} has {cost.Parameters} parameters in {cost.WeightBytes} bytes, the tables {size.Parameters} in {size.WeightBytes}: another model or another storage type");
            }
        }
    }

    private static ScoredVariant Scored(BlockVariant variant, Estimate score) =>
        new(variant.Mixer.ToString(), variant.FeedForward.ToString(), score.Mean) { StandardError = score.StandardError };

    private static HalfSize Size(MixerConfiguration mixer, VariantCost cost)
    {
        var attention = mixer as AttentionConfiguration;
        var kind = mixer switch
        {
            NoMixerConfiguration => HalfKind.None,
            LinearMixerConfiguration => HalfKind.Linear,
            _ => HalfKind.Attention,
        };
        return Size(kind, cost) with
        {
            HasWindow = attention?.Window is not null,
            HasHeadNorms = attention?.HasHeadNorms == true,
            HasPartialBiases = attention is not null && attention.HasQkvBias != attention.HasOutputBias,
        };
    }

    private static HalfSize Size(FeedForwardConfiguration feedForward, VariantCost cost)
    {
        var kind = feedForward switch
        {
            NoFeedForwardConfiguration => HalfKind.None,
            LinearFeedForwardConfiguration => HalfKind.Linear,
            _ => HalfKind.FeedForward,
        };
        return Size(kind, cost) with { Width = (feedForward as SwiGluConfiguration)?.Width };
    }

    private static HalfSize Size(HalfKind kind, VariantCost cost) => new(kind, cost.Parameters, cost.WeightBytes, cost.KvBytesPerToken);

    private static VariantCost Find(IReadOnlyDictionary<string, VariantCost> table, string label) =>
        table.TryGetValue(label, out var cost)
            ? cost
            : throw new InvalidDataException($"the cost table has no row for {label}: measure it again for this model");
}
