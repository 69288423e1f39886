using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Library;
using Tessera.Runs;

namespace Tessera.Puzzle.Costs;

/// <summary>Measures every distinct half of a parent's library, with progress.</summary>
public static class CostMeasurement
{
    /// <summary>Measures in a scenario, on a device with the scenario's number of threads.</summary>
    public static CostTable Run(Device device, ModelConfiguration parent, ServingScenario scenario, int rounds)
    {
        var mixers = parent.Layers.SelectMany(layer => VariantGrid.Mixers(layer.Mixer)).Distinct().ToList();
        var feedForwards = parent.Layers.SelectMany(layer => VariantGrid.FeedForwards(layer.FeedForward)).Distinct().ToList();
        var meter = new CostMeter(device, parent, scenario);
        using var progress = new ProgressReporter(
            Console.Error, new ProgressOptions { Label = "measure", Unit = "rounds", Total = rounds + CostMeter.WarmupRounds });
        return meter.Measure(mixers, feedForwards, rounds, round => progress.Report(round));
    }
}
