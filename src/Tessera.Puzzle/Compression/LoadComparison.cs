using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Runs;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// Parent and child in further loads. The costs of their halves are measured in each load first, so that the prediction knows nothing of
/// the whole models; then both pass through the whole load, in turns.
/// </summary>
internal sealed class LoadComparison(Device device, CompressionInputs inputs, CompressionSettings settings, BlockLibrary library)
{
    /// <summary>Names for a stage's hash.</summary>
    public IEnumerable<(string Name, string Value)> Identity =>
    [
        ("loads", string.Join("; ", settings.Loads.Select(load => $"{load.Name}: {load.Scenario.Label}"))),
        ("load-rounds", FormattableString.Invariant($"{settings.CostRounds}/{settings.LoadRounds}/{settings.DecodeSteps ?? 0}")),
    ];

    /// <summary>Results of parent and child in every load; measurements are recorded and reused.</summary>
    /// <param name="child">The child's shape.</param>
    /// <param name="recordPath">The record.</param>
    public IReadOnlyList<LoadResult> Run(ModelConfiguration child, string recordPath)
    {
        using var record = RecordedTable.Open(recordPath);
        var parent = inputs.Parent.Configuration;
        var costs = settings.Loads.ToDictionary(
            load => load.Name, load => record.GetOrAdd($"costs/{load.Name}", PuzzleJson.Default.CostTable, () => Costs(child, load)));
        MeasureWhole(child, record);
        return [.. settings.Loads.SelectMany(load =>
        {
            var times = record.GetOrAdd($"times/{load.Name}", PuzzleJson.Default.ScenarioTimeArray, () => throw new InvalidOperationException("they were recorded before"));
            return (LoadResult[])[Result(load, "parent", costs[load.Name], parent, times[0]), Result(load, "child", costs[load.Name], child, times[1])];
        })];
    }

    /// <summary>What the halves of a model add up to in a cost table.</summary>
    internal static ScenarioTime Predict(CostTable costs, ModelConfiguration model)
    {
        double prefill = costs.Base.PrefillSeconds, decode = costs.Base.DecodeSeconds;
        foreach (var layer in model.Layers)
        {
            foreach (var cost in (VariantCost[])[costs.Mixers[layer.Mixer.ToString()], costs.FeedForwards[layer.FeedForward.ToString()]])
            {
                prefill += cost.PrefillSeconds;
                decode += cost.DecodeSeconds;
            }
        }

        return new ScenarioTime(prefill, decode);
    }

    private CostTable Costs(ModelConfiguration child, MeasuredLoad load)
    {
        var parent = inputs.Parent.Configuration;
        var layers = parent.Layers.Concat(child.Layers).ToList();
        using var progress = new ProgressReporter(
            Console.Error, new ProgressOptions { Label = $"measure {load.Name}", Unit = "rounds", Total = settings.CostRounds + CostMeter.WarmupRounds });
        return new CostMeter(device, parent, load.Scenario) { DecodeSteps = settings.DecodeSteps }.Measure(
            [.. layers.Select(layer => layer.Mixer).Distinct()], [.. layers.Select(layer => layer.FeedForward).Distinct()],
            settings.CostRounds, round => progress.Report(round));
    }

    /// <summary>Measures both models in the loads that have no record yet.</summary>
    private void MeasureWhole(ModelConfiguration child, RecordedTable record)
    {
        var missing = settings.Loads.Where(load => !record.TryGet($"times/{load.Name}", out _)).ToList();
        if (missing.Count == 0)
        {
            return;
        }

        var assembly = new ModelAssembly(device, settings.Scenario.Type);
        using var whole = assembly.Load(inputs.Parent.Parts);
        using var small = assembly.LoadBeside(whole, library.Child(child));
        foreach (var load in missing)
        {
            record.GetOrAdd($"times/{load.Name}", PuzzleJson.Default.ScenarioTimeArray, () => Measure(load.Scenario, [whole, small]));
        }
    }

    private ScenarioTime[] Measure(ServingScenario scenario, Decoder[] models)
    {
        // A short pass brings both to the state in which a server would be.
        using (var first = new ScenarioMeter(device, scenario) { DecodeSteps = settings.DecodeSteps })
        {
            Array.ForEach(models, model => first.Measure(model));
        }

        return [.. ModelTimes.Sample(device, scenario, models, settings.LoadRounds, warmups: 0).Select(ModelTimes.Median)];
    }

    private LoadResult Result(MeasuredLoad load, string name, CostTable costs, ModelConfiguration model, ScenarioTime measured)
    {
        var predicted = Predict(costs, model);
        return new LoadResult
        {
            Load = load.Name,
            Model = name,
            Scenario = load.Scenario,
            PredictedPrefillSeconds = predicted.PrefillSeconds,
            PredictedDecodeSeconds = predicted.DecodeSeconds,
            PrefillSeconds = measured.PrefillSeconds,
            DecodeSeconds = measured.DecodeSeconds,
            Rounds = settings.LoadRounds,
        };
    }
}
