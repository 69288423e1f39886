using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Costs;

/// <summary>
/// Measures halves of layers: what the parent takes longer with several copies of a half appended, in the scenario it will
/// serve. Measured on top of the whole parent, a half finds the caches as full as it will find them in a model.
/// </summary>
/// <remarks>
/// Cost of a half = (time of parent + copies − time of parent) / copies, times one factor that makes the parent's own halves and
/// the base (a model without layers) add up to the parent's measured time. Variants are visited in rounds, so that a slow moment of the machine falls on all of
/// them; medians over rounds are kept. Weights are random: time does not depend on their values. Copies have memory of their own.
/// </remarks>
public sealed class CostMeter(Device device, ModelConfiguration model, ServingScenario scenario)
{
    internal const int Copies = 8;
    internal const int WarmupRounds = 2;

    private readonly MemoryModel _memory = scenario.Memory;

    /// <summary>As in <see cref="ScenarioMeter.DecodeSteps"/>.</summary>
    public int? DecodeSteps { get; init; }

    /// <summary>Measures every variant in the lists, which must hold the parent's own halves.</summary>
    /// <param name="mixers">Distinct mixers.</param>
    /// <param name="feedForwards">Distinct feed-forwards.</param>
    /// <param name="rounds">Samples of each.</param>
    /// <param name="onRound">Called after every round with its number, if not null.</param>
    public CostTable Measure(
        IReadOnlyList<MixerConfiguration> mixers, IReadOnlyList<FeedForwardConfiguration> feedForwards, int rounds,
        Action<int>? onRound = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        using var meter = new ScenarioMeter(device, scenario) { DecodeSteps = DecodeSteps };
        using var parent = Decoder.Allocate(model, scenario.Type, device);
        ModelInitializer.Fill(parent, 1, device);
        var whole = new Samples(parent);
        using var empty = parent.WithLayers(model with { Layers = [] }, []);
        var bare = new Samples(empty);
        var stacks = new Dictionary<LayerConfiguration, Samples>();
        try
        {
            foreach (var half in mixers.Select(Alone).Concat(feedForwards.Select(Alone)).Where(half => half != Empty))
            {
                stacks[half] = new Samples(Extend(parent, half));
            }

            for (int round = -WarmupRounds; round < rounds; round++)
            {
                whole.Take(meter, keep: round >= 0);
                bare.Take(meter, keep: round >= 0);
                foreach (var stack in stacks.Values)
                {
                    stack.Take(meter, keep: round >= 0);
                }

                onRound?.Invoke(round + WarmupRounds + 1);
            }

            return Table(whole, bare, stacks, mixers, feedForwards, rounds);
        }
        finally
        {
            foreach (var stack in stacks.Values)
            {
                stack.Model.Dispose();
            }
        }
    }

    private static LayerConfiguration Empty { get; } = new(new NoMixerConfiguration(), new NoFeedForwardConfiguration());

    private static LayerConfiguration Alone(MixerConfiguration mixer) => Empty with { Mixer = mixer };

    private static LayerConfiguration Alone(FeedForwardConfiguration feedForward) => Empty with { FeedForward = feedForward };

    private CostTable Table(
        Samples whole, Samples bare, Dictionary<LayerConfiguration, Samples> stacks, IReadOnlyList<MixerConfiguration> mixers,
        IReadOnlyList<FeedForwardConfiguration> feedForwards, int rounds)
    {
        var mixerCosts = mixers.ToDictionary(m => m.ToString(), m => Cost(whole, stacks, Alone(m), m.ToString()));
        var feedForwardCosts = feedForwards.ToDictionary(f => f.ToString(), f => Cost(whole, stacks, Alone(f), f.ToString()));
        double prefill = 0, decode = 0;
        foreach (var layer in model.Layers)
        {
            prefill += mixerCosts[layer.Mixer.ToString()].PrefillSeconds + feedForwardCosts[layer.FeedForward.ToString()].PrefillSeconds;
            decode += mixerCosts[layer.Mixer.ToString()].DecodeSeconds + feedForwardCosts[layer.FeedForward.ToString()].DecodeSeconds;
        }

        // A model twice as deep finds the caches fuller than the parent does: one factor brings the sum of the halves back to it.
        double prefillScale = Ratio(whole.Prefill(0.5) - bare.Prefill(0.5), prefill);
        double decodeScale = Ratio(whole.Decode(0.5) - bare.Decode(0.5), decode);
        VariantCost Scaled(VariantCost cost) => cost with
        {
            PrefillSeconds = cost.PrefillSeconds * prefillScale,
            DecodeSeconds = cost.DecodeSeconds * decodeScale,
            DecodeSpread = cost.DecodeSpread * decodeScale,
        };

        long parameters = (model with { Layers = [] }).ParameterCount;
        return new CostTable
        {
            Scenario = scenario,
            Machine = $"{RuntimeInformation.OSArchitecture}, {Environment.ProcessorCount} processors, {RuntimeInformation.FrameworkDescription}",
            Rounds = rounds,
            Base = new VariantCost(
                "base", parameters, Bytes(parameters), 0, bare.Prefill(0.5), bare.Decode(0.5), bare.DecodeSpread),
            Mixers = mixerCosts.ToDictionary(pair => pair.Key, pair => Scaled(pair.Value)),
            FeedForwards = feedForwardCosts.ToDictionary(pair => pair.Key, pair => Scaled(pair.Value)),
        };
    }

    private static double Ratio(double measured, double summed) => measured > 0 && summed > 0 ? measured / summed : 1;

    private VariantCost Cost(Samples whole, Dictionary<LayerConfiguration, Samples> stacks, LayerConfiguration half, string label)
    {
        if (!stacks.TryGetValue(half, out var stack))
        {
            return VariantCost.None(label);
        }

        var single = model with { Layers = [half] };
        long parameters = single.MixerParameterCount(0) + single.FeedForwardParameterCount(0);
        return new VariantCost(
            label, parameters, Bytes(parameters), single.KvBytesPerToken(scenario.Type),
            Math.Max(0, (stack.Prefill(0.5) - whole.Prefill(0.5)) / Copies),
            Math.Max(0, (stack.Decode(0.5) - whole.Decode(0.5)) / Copies), stack.DecodeSpread / Copies);
    }

    /// <summary>Bytes of weights that hold one norm, whose gains are f32.</summary>
    private long Bytes(long parameters) => (long)_memory.WeightBytes(parameters, model.HiddenSize);

    private Decoder Extend(Decoder parent, LayerConfiguration half)
    {
        var arena = device.CreateArena("cost stack");
        var factory = new BlockFactory(parent.Configuration, parent.Rope, arena, scenario.Type);
        var copies = Enumerable.Range(0, Copies).Select(i => new DecoderLayer(
            factory.Mixer(half.Mixer, $"copy.{i}"), factory.FeedForward(half.FeedForward, $"copy.{i}"))).ToList();
        var shape = model with { Layers = [.. model.Layers, .. Enumerable.Repeat(half, Copies)] };
        ModelInitializer.Fill(parent.WithLayers(model with { Layers = [.. Enumerable.Repeat(half, Copies)] }, copies), 1, device);
        return parent.WithLayers(shape, [.. parent.Layers, .. copies], arena);
    }

    /// <summary>A model and its measured times.</summary>
    private sealed class Samples(Decoder model)
    {
        private readonly List<ScenarioTime> _times = [];

        public Decoder Model => model;

        public double DecodeSpread => (Decode(0.75) - Decode(0.25)) / 2;

        public void Take(ScenarioMeter meter, bool keep)
        {
            var time = meter.Measure(model);
            if (keep)
            {
                _times.Add(time);
            }
        }

        public double Prefill(double share) => KernelBench.Quantile(_times.Select(time => time.PrefillSeconds), share);

        public double Decode(double share) => KernelBench.Quantile(_times.Select(time => time.DecodeSeconds), share);
    }
}
