using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>Turns targets into limits on the columns of a problem, and amounts back into what targets speak of.</summary>
/// <remarks>
/// Σ seconds ≤ tokens / target is what a throughput asks for (Puzzle section B). Throughput counts generated tokens, total
/// throughput the prompts' as well.
/// </remarks>
/// <param name="problem">Parent, loads and columns.</param>
/// <param name="margin">Share by which limits of time are tightened.</param>
public sealed class TargetLimits(TableProblem problem, double margin)
{
    /// <summary>The columns with the tightest limits that the targets ask for.</summary>
    /// <exception cref="ArgumentException">A target names a scenario or a phase that no load has.</exception>
    public Resource[] Resources(IReadOnlyList<ProblemColumn> columns, IReadOnlyList<Target> targets)
    {
        Check(targets);
        var resources = columns.Select(Unlimited).ToArray();
        foreach (var target in targets)
        {
            for (int i = 0; i < columns.Count; i++)
            {
                if (Limits(target, columns[i]))
                {
                    resources[i] = Tightened(resources[i], columns[i], target);
                }
            }
        }

        return resources;
    }

    /// <summary>The targets on a column as they would have to be written for its sum to be within them.</summary>
    /// <param name="column">The column.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="sum">What the column can reach.</param>
    public IEnumerable<string> Nearest(ProblemColumn column, IReadOnlyList<Target> targets, double sum)
    {
        double whole = problem.ParentOf(column);
        foreach (var target in targets.Where(target => Limits(target, column)))
        {
            var load = column.Load < 0 ? null : problem.Loads[column.Load];
            double timed = sum * (1 + margin);
            double value = target.Quantity switch
            {
                _ when target.IsRelative => target.IsTimed ? whole / timed : sum / whole,
                TargetQuantity.Throughput => load!.GeneratedTokens / timed,
                TargetQuantity.TotalThroughput => load!.AllTokens / timed,
                _ => target.IsTimed ? timed : sum,
            };
            yield return target.WithValue(value);
        }
    }

    /// <summary>What a model with these amounts reaches, in the terms of a target: its unit, or a ratio to the parent.</summary>
    /// <param name="target">The target.</param>
    /// <param name="load">The load.</param>
    /// <param name="amounts">The model's amounts.</param>
    /// <param name="parent">The parent's amounts.</param>
    public static double Reached(Target target, LoadTable load, Amounts amounts, Amounts parent)
    {
        double Quantity(Amounts of) => target.Quantity switch
        {
            TargetQuantity.Memory => of.MemoryBytes,
            TargetQuantity.KvCache => of.KvBytes,
            TargetQuantity.Parameters => of.Parameters,
            TargetQuantity.Prefill => of.PrefillSeconds,
            TargetQuantity.Decode => of.DecodeSeconds,
            TargetQuantity.Latency => of.RunSeconds,
            TargetQuantity.Throughput => load.GeneratedTokens / of.RunSeconds,
            TargetQuantity.TotalThroughput => load.AllTokens / of.RunSeconds,
            _ => throw new ArgumentException($"{target.Text} is not an amount of a load"),
        };
        return !target.IsRelative ? Quantity(amounts)
            : target.IsRatioOfTime ? Quantity(parent) / Quantity(amounts)
            : Quantity(amounts) / Quantity(parent);
    }

    private void Check(IReadOnlyList<Target> targets)
    {
        foreach (var target in targets)
        {
            if (target.Scenario is { } scenario && problem.Loads.All(load => load.Scenario != scenario))
            {
                throw new ArgumentException(
                    $"{target.Text}: there is no scenario {scenario}, expected {string.Join(" or ", problem.Loads.Select(load => load.Scenario))}");
            }

            if (target.Quantity is TargetQuantity.Prefill or TargetQuantity.Decode
                && problem.Loads.FirstOrDefault(load => target.HoldsIn(load.Scenario) && !load.HasPhases) is { } whole)
            {
                throw new ArgumentException(
                    $"{target.Text}: the tables tell only the seconds of the whole load {whole.Label}, limit latency or throughput instead");
            }
        }
    }

    private bool Limits(Target target, ProblemColumn column) =>
        ProblemColumn.Limiting(target.Quantity) == column.Quantity && target.Selector?.Text == column.Selector?.Text
            && (column.Load < 0 || target.HoldsIn(problem.Loads[column.Load].Scenario));

    private Resource Tightened(Resource resource, ProblemColumn column, Target target)
    {
        double whole = problem.ParentOf(column);
        var load = column.Load < 0 ? null : problem.Loads[column.Load];
        double limit = target.Quantity switch
        {
            TargetQuantity.Prefill or TargetQuantity.Decode or TargetQuantity.Latency => (target.IsRelative ? whole / target.Value : target.Value) / (1 + margin),
            TargetQuantity.Throughput => (target.IsRelative ? whole / target.Value : load!.GeneratedTokens / target.Value) / (1 + margin),
            TargetQuantity.TotalThroughput => (target.IsRelative ? whole / target.Value : load!.AllTokens / target.Value) / (1 + margin),
            _ => target.IsRelative ? target.Value * whole : target.Value,
        };
        bool isMaximum = target.IsMaximum || target.IsTimed;
        return isMaximum
            ? resource with { Maximum = Math.Min(resource.Maximum, limit) }
            : resource with { Minimum = Math.Max(resource.Minimum, limit) };
    }

    private Resource Unlimited(ProblemColumn column)
    {
        const double None = double.PositiveInfinity;
        double constant = problem.ConstantOf(column);
        // With several loads, memory and the like are said of each.
        string of = column.Load >= 0 && problem.Loads.Count > 1 ? $" of {problem.Loads[column.Load].Label}" : string.Empty;
        var load = column.Load < 0 ? null : problem.Loads[column.Load];
        return column.Quantity switch
        {
            TargetQuantity.Memory => SearchLimits.Memory(None, constant) with { Name = $"memory{of}" },
            TargetQuantity.KvCache => new Resource($"keys and values{of}", None, Constant: constant) { Unit = ResourceUnit.Bytes },
            TargetQuantity.Parameters => SearchLimits.Parameters(None, constant),
            TargetQuantity.Prefill => SearchLimits.PrefillTime(load!.Label, None, constant),
            TargetQuantity.Decode => SearchLimits.DecodeTimePerToken(load!.Label, None, constant),
            TargetQuantity.Latency => new Resource($"run time ({load!.Label})", None, Constant: constant)
            {
                Unit = ResourceUnit.Seconds,
                ScenarioTokens = load.GeneratedTokens,
            },
            TargetQuantity.AttentionLayers => new Resource("layers with attention", None),
            TargetQuantity.FeedForwardLayers => new Resource("layers with a feed-forward", None),
            TargetQuantity.Layers => new Resource("layers that are not empty", None),
            _ => new Resource($"layers of {column.Selector!.Text}", None),
        };
    }
}
