using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Targets;

/// <summary>Amounts of every limited quantity.</summary>
/// <param name="MemoryBytes">Weights plus the scenario's keys and values.</param>
/// <param name="Parameters">Weights.</param>
/// <param name="PrefillSeconds">The scenario's prompts.</param>
/// <param name="DecodeSeconds">One generation step.</param>
/// <param name="RunSeconds">The whole scenario.</param>
public readonly record struct Amounts(
    double MemoryBytes, double Parameters, double PrefillSeconds, double DecodeSeconds, double RunSeconds)
{
    /// <summary>Sum.</summary>
    public static Amounts operator +(Amounts left, Amounts right) => new(
        left.MemoryBytes + right.MemoryBytes, left.Parameters + right.Parameters, left.PrefillSeconds + right.PrefillSeconds,
        left.DecodeSeconds + right.DecodeSeconds, left.RunSeconds + right.RunSeconds);

    /// <summary>Sum.</summary>
    public static Amounts Add(Amounts left, Amounts right) => left + right;

    /// <summary>In the order of the search's resources.</summary>
    public double[] ToArray() => [MemoryBytes, Parameters, PrefillSeconds, DecodeSeconds, RunSeconds];
}

/// <summary>Turns scores, costs and targets into the problem the solvers work on, and back.</summary>
/// <param name="parent">The parent's shape.</param>
/// <param name="costs">Measured costs.</param>
public sealed class ChoiceTable(ModelConfiguration parent, CostTable costs)
{
    /// <summary>Index of the parameters among the search's resources.</summary>
    public const int ParameterResource = 1;

    /// <summary>Alternatives of every layer, the parent's own first.</summary>
    public IReadOnlyList<IReadOnlyList<BlockVariant>> Variants { get; } = [.. parent.Layers.Select(VariantGrid.Blocks)];

    /// <summary>What is outside the layers.</summary>
    public Amounts Base => ToAmounts(costs.Base);

    /// <summary>What one block costs: its halves, no overlap assumed.</summary>
    public Amounts Cost(BlockVariant variant) =>
        ToAmounts(Find(costs.Mixers, variant.Mixer.ToString())) + ToAmounts(Find(costs.FeedForwards, variant.FeedForward.ToString()));

    /// <summary>What a choice of one variant a layer costs.</summary>
    public Amounts Total(IReadOnlyList<int> choice)
    {
        var total = Base;
        for (int i = 0; i < choice.Count; i++)
        {
            total += Cost(Variants[i][choice[i]]);
        }

        return total;
    }

    /// <summary>The problem: minimise summed scores under the targets.</summary>
    /// <param name="scores">Score of every variant of every layer.</param>
    /// <param name="targets">Limits.</param>
    /// <param name="margin">Share by which speed limits are tightened, since measured child times scatter around predictions.</param>
    public SearchProblem Problem(Func<int, BlockVariant, double> scores, IReadOnlyList<Target> targets, double margin)
    {
        var layers = Variants.Select((variants, layer) => (IReadOnlyList<Choice>)[.. variants.Select(
            variant => new Choice(variant.Label, scores(layer, variant), Cost(variant).ToArray()))]).ToList();
        return new SearchProblem(layers, Resources(targets, margin));
    }

    /// <summary>The layers of a choice as a configuration.</summary>
    public ModelConfiguration Configuration(IReadOnlyList<int> choice) =>
        parent with { Layers = [.. choice.Select((index, layer) => Variants[layer][index].ToLayer())] };

    /// <summary>Whether a measured child meets a target; ratios are to the measured parent.</summary>
    internal TargetCheck Check(Target target, CandidateResult parentResult, CandidateResult child)
    {
        double Quantity(CandidateResult candidate)
        {
            var amounts = Total([.. candidate.Layers.Select((label, layer) => Variants[layer].ToList().FindIndex(v => v.Label == label))]);
            return target.Quantity switch
            {
                TargetQuantity.Memory => amounts.MemoryBytes,
                TargetQuantity.Parameters => amounts.Parameters,
                TargetQuantity.Prefill => candidate.PrefillSeconds,
                TargetQuantity.Decode => candidate.DecodeSeconds,
                _ => costs.Scenario.Throughput(candidate.PrefillSeconds, candidate.DecodeSeconds),
            };
        }

        double reached = Quantity(child);
        double whole = Quantity(parentResult);
        bool isTime = target.Quantity is TargetQuantity.Prefill or TargetQuantity.Decode;
        double shown = !target.IsRelative ? reached : isTime ? whole / reached : reached / whole;
        bool isMinimum = target.Quantity is TargetQuantity.Throughput || (target.IsRelative && isTime);
        return new TargetCheck(target.Text, shown, isMinimum ? shown >= target.Value : shown <= target.Value);
    }

    private Resource[] Resources(IReadOnlyList<Target> targets, double margin)
    {
        var whole = Total(new int[parent.Layers.Length]);
        double memory = double.PositiveInfinity, parameters = memory, prefill = memory, decode = memory, run = memory;
        foreach (var target in targets)
        {
            double value = target.Value;
            switch (target.Quantity)
            {
                case TargetQuantity.Memory:
                    memory = Math.Min(memory, target.IsRelative ? value * whole.MemoryBytes : value);
                    break;
                case TargetQuantity.Parameters:
                    parameters = Math.Min(parameters, target.IsRelative ? value * whole.Parameters : value);
                    break;
                case TargetQuantity.Prefill:
                    prefill = Math.Min(prefill, (target.IsRelative ? whole.PrefillSeconds / value : value) / (1 + margin));
                    break;
                case TargetQuantity.Decode:
                    decode = Math.Min(decode, (target.IsRelative ? whole.DecodeSeconds / value : value) / (1 + margin));
                    break;
                default:
                    double tokens = (double)costs.Scenario.Batch * costs.Scenario.OutputLength;
                    run = Math.Min(run, (target.IsRelative ? whole.RunSeconds / value : tokens / value) / (1 + margin));
                    break;
            }
        }

        string scenario = costs.Scenario.Label;
        return
        [
            SearchLimits.Memory(memory, Base.MemoryBytes),
            SearchLimits.Parameters(parameters, Base.Parameters),
            SearchLimits.PrefillTime(scenario, prefill, Base.PrefillSeconds),
            SearchLimits.DecodeTimePerToken(scenario, decode, Base.DecodeSeconds),
            new Resource($"run time ({scenario})", run, Constant: Base.RunSeconds)
            {
                Unit = ResourceUnit.Seconds, ScenarioTokens = (double)costs.Scenario.Batch * costs.Scenario.OutputLength,
            },
        ];
    }

    private Amounts ToAmounts(VariantCost cost)
    {
        var scenario = costs.Scenario;
        return new Amounts(
            cost.WeightBytes + ((double)cost.KvBytesPerToken * scenario.Batch * scenario.Positions), cost.Parameters,
            cost.PrefillSeconds, cost.DecodeSeconds, cost.PrefillSeconds + (scenario.OutputLength * cost.DecodeSeconds));
    }

    private static VariantCost Find(IReadOnlyDictionary<string, VariantCost> table, string label) =>
        table.TryGetValue(label, out var cost)
            ? cost
            : throw new InvalidDataException($"the cost table has no row for {label}: measure it again for this model");
}
