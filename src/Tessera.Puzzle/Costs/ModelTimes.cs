using Tessera.Devices;
using Tessera.Models;

namespace Tessera.Puzzle.Costs;

/// <summary>Times of whole models in a scenario, which take turns so that a slow moment of the machine falls on all of them.</summary>
public static class ModelTimes
{
    /// <summary>Samples of every model, round by round.</summary>
    /// <param name="device">Where the models lie and run.</param>
    /// <param name="scenario">What is run.</param>
    /// <param name="models">Models in the scenario's storage type.</param>
    /// <param name="rounds">Samples of each.</param>
    /// <param name="warmups">Rounds before them that are not kept.</param>
    public static IReadOnlyList<ScenarioTime[]> Sample(
        Device device, ServingScenario scenario, IReadOnlyList<Decoder> models, int rounds, int warmups = 2)
    {
        using var meter = new ScenarioMeter(device, scenario);
        var samples = models.Select(_ => new ScenarioTime[rounds]).ToList();
        for (int round = -warmups; round < rounds; round++)
        {
            for (int i = 0; i < models.Count; i++)
            {
                var time = meter.Measure(models[i]);
                if (round >= 0)
                {
                    samples[i][round] = time;
                }
            }
        }

        return samples;
    }

    /// <summary>The medians of both times.</summary>
    public static ScenarioTime Median(ScenarioTime[] samples) => new(
        samples.Select(time => time.PrefillSeconds).Order().ElementAt(samples.Length / 2),
        samples.Select(time => time.DecodeSeconds).Order().ElementAt(samples.Length / 2));
}
