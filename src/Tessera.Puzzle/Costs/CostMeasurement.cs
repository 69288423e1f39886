using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Library;
using Tessera.Runs;

namespace Tessera.Puzzle.Costs;

/// <summary>Measures every distinct half of a parent's library, with progress.</summary>
public static class CostMeasurement
{
    /// <summary>Measures in a scenario, on a device with the scenario's number of threads.</summary>
    /// <param name="device">Where to measure.</param>
    /// <param name="parent">The parent's shape.</param>
    /// <param name="scenario">What is run.</param>
    /// <param name="rounds">Samples of every time.</param>
    /// <param name="tried">Which variants there are; null for the whole grid.</param>
    /// <param name="decodeSteps">As in <see cref="ScenarioMeter"/>.</param>
    public static CostTable Run(
        Device device, ModelConfiguration parent, ServingScenario scenario, int rounds, TriedVariants? tried = null, int? decodeSteps = null)
    {
        tried ??= TriedVariants.All;
        var mixers = parent.Layers.SelectMany(layer => tried.Mixers(layer.Mixer)).Distinct().ToList();
        var feedForwards = parent.Layers.SelectMany(layer => tried.FeedForwards(layer.FeedForward)).Distinct().ToList();
        var meter = new CostMeter(device, parent, scenario) { DecodeSteps = decodeSteps };
        using var progress = new ProgressReporter(
            Console.Error, new ProgressOptions { Label = "measure", Unit = "rounds", Total = rounds + CostMeter.WarmupRounds });
        return meter.Measure(mixers, feedForwards, rounds, round => progress.Report(round));
    }
}
