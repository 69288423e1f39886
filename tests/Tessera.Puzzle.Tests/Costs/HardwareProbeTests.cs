using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;

namespace Tessera.Puzzle.Tests.Costs;

/// <summary>The machine at hand, measured and used for predictions.</summary>
public sealed class HardwareProbeTests
{
    private const int Tries = 4;

    [Fact]
    [Trait("Category", "Slow")]
    public void This_machine_is_predicted_within_a_factor_of_what_a_clock_says()
    {
        var model = new ModelConfiguration
        {
            VocabularySize = 2048,
            HiddenSize = 384,
            HeadCount = 8,
            HeadDim = 96,
            RmsNormEpsilon = 1e-5,
            RopeTheta = 10_000,
            MaxPositions = 512,
            TieEmbeddings = true,
            Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(4), new SwiGluConfiguration(1024)), 6)],
        };
        using var device = new CpuDevice(2);
        var tries = new List<string>();
        // A machine that serves others as well can spoil a measurement by any factor: what must hold is asked of the first undisturbed one.
        for (int i = 0; i < Tries && (i == 0 || tries[^1].Length > 0); i++)
        {
            tries.Add(Disagreement(device, model));
        }

        Assert.True(tries[^1].Length == 0, string.Join("\n", tries));
    }

    /// <summary>What of a measurement and the predictions from it is not as it should be; empty where all is.</summary>
    private static string Disagreement(CpuDevice device, ModelConfiguration model)
    {
        var hardware = HardwareProbe.Measure(device);
        Assert.InRange(hardware.F32Flops, 1e9, 1e14);
        Assert.All(hardware.ReadRates, point => Assert.InRange(point.Rate, 1e8, 1e13));
        Assert.InRange(hardware.LaunchSeconds, 1e-8, 1e-3);
        var found = new List<string>();
        if (hardware.ReadRates[0].Rate <= hardware.ReadRates[^1].Rate)
        {
            found.Add($"a first-level cache is read at {hardware.ReadRates[0].Rate:G3} bytes/s, memory at {hardware.ReadRates[^1].Rate:G3}");
        }

        foreach (var type in (DType[])[DType.F32, DType.BF16])
        {
            var scenario = new ServingScenario(4, 96, 24, type, 2);
            var measured = Total(model, CostMeasurement.Run(device, model, scenario, 5));
            var predicted = new Roofline(model, scenario, hardware).Time(model);
            // Alone on a machine the two lie within 35 %; beside other work a clock tells what it likes.
            foreach (var (phase, ratio) in (ReadOnlySpan<(string, double)>)[("decode", predicted.DecodeSeconds / measured.DecodeSeconds), ("prefill", predicted.PrefillSeconds / measured.PrefillSeconds)])
            {
                if (ratio is not (>= 1 / 3.0 and <= 3))
                {
                    found.Add($"{type} {phase}: {ratio:F2} of what was measured is predicted");
                }
            }
        }

        return string.Join("; ", found);
    }

    private static ScenarioTime Total(ModelConfiguration model, CostTable costs) => new(
        costs.Base.PrefillSeconds + model.Layers.Sum(layer => costs.Mixers[layer.Mixer.ToString()].PrefillSeconds + costs.FeedForwards[layer.FeedForward.ToString()].PrefillSeconds),
        costs.Base.DecodeSeconds + model.Layers.Sum(layer => costs.Mixers[layer.Mixer.ToString()].DecodeSeconds + costs.FeedForwards[layer.FeedForward.ToString()].DecodeSeconds));
}
