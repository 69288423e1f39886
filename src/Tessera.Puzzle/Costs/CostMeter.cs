using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Costs;

/// <summary>
/// Measures halves of layers: the slope between two depths of a stack made of that half alone, in the scenario it will
/// serve. What both depths share (embedding, head, call overhead) cancels.
/// </summary>
/// <remarks>
/// Variants are visited in rounds, so that a slow moment of the machine falls on all of them; the median over rounds is
/// kept. Weights are random: time does not depend on their values. A stack's layers have memory of their own, so caches see
/// what they would see in a model.
/// </remarks>
public sealed class CostMeter(Device device, ModelConfiguration model, ServingScenario scenario)
{
    private const int ShallowDepth = 4;
    private const int DeepDepth = 12;
    internal const int WarmupRounds = 2;

    /// <summary>Measures every variant in the lists.</summary>
    /// <param name="mixers">Distinct mixers.</param>
    /// <param name="feedForwards">Distinct feed-forwards.</param>
    /// <param name="rounds">Samples of each.</param>
    /// <param name="onRound">Called after every round with its number, if not null.</param>
    public CostTable Measure(
        IReadOnlyList<MixerConfiguration> mixers, IReadOnlyList<FeedForwardConfiguration> feedForwards, int rounds,
        Action<int>? onRound = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        using var meter = new ScenarioMeter(device, scenario);
        using var bare = Decoder.Allocate(Shape([]), scenario.Type);
        ModelInitializer.Fill(bare, 1);
        var stacks = new List<Stack>();
        try
        {
            stacks.Add(new Stack(bare, null));
            stacks.AddRange(mixers.Where(m => m is not NoMixerConfiguration)
                .Select(m => Build(bare, new LayerConfiguration(m, new NoFeedForwardConfiguration()))));
            stacks.AddRange(feedForwards.Where(f => f is not NoFeedForwardConfiguration)
                .Select(f => Build(bare, new LayerConfiguration(new NoMixerConfiguration(), f))));
            for (int round = -WarmupRounds; round < rounds; round++)
            {
                stacks.ForEach(stack => stack.Sample(meter, keep: round >= 0));
                onRound?.Invoke(round + WarmupRounds + 1);
            }

            return Table(stacks, mixers, feedForwards, rounds);
        }
        finally
        {
            stacks.ForEach(stack => stack.Dispose());
        }
    }

    private CostTable Table(
        List<Stack> stacks, IReadOnlyList<MixerConfiguration> mixers, IReadOnlyList<FeedForwardConfiguration> feedForwards, int rounds)
    {
        var timed = stacks.Skip(1).ToDictionary(stack => stack.Label);
        return new CostTable
        {
            Scenario = scenario,
            Machine = $"{RuntimeInformation.OSArchitecture}, {Environment.ProcessorCount} processors, {RuntimeInformation.FrameworkDescription}",
            Rounds = rounds,
            Base = stacks[0].Cost("base", BaseParameters(), BaseBytes(), 0),
            Mixers = mixers.ToDictionary(m => m.ToString(), m => Cost(timed, new LayerConfiguration(m, new NoFeedForwardConfiguration()), m.ToString())),
            FeedForwards = feedForwards.ToDictionary(
                f => f.ToString(), f => Cost(timed, new LayerConfiguration(new NoMixerConfiguration(), f), f.ToString())),
        };
    }

    private VariantCost Cost(Dictionary<string, Stack> timed, LayerConfiguration layer, string label)
    {
        if (!timed.TryGetValue(Stack.LabelOf(layer), out var stack))
        {
            return VariantCost.None(label);
        }

        var shape = Shape([layer]);
        long parameters = shape.ParameterCount - BaseParameters();
        long bytes = ((parameters - model.HiddenSize) * scenario.Type.Bytes()) + (model.HiddenSize * sizeof(float));
        return stack.Cost(label, parameters, bytes, shape.KvBytesPerToken(scenario.Type));
    }

    private long BaseParameters() => Shape([]).ParameterCount;

    private long BaseBytes() =>
        ((BaseParameters() - model.HiddenSize) * scenario.Type.Bytes()) + (model.HiddenSize * sizeof(float));

    private ModelConfiguration Shape(LayerConfiguration[] layers) =>
        model with { Layers = [.. layers] };

    private Stack Build(Decoder bare, LayerConfiguration layer) =>
        new(Repeat(bare, layer, ShallowDepth), Repeat(bare, layer, DeepDepth));

    /// <summary>A stack shares token table and head with the bare model: only layers differ between stacks.</summary>
    private Decoder Repeat(Decoder bare, LayerConfiguration layer, int depth)
    {
        var arena = new Arena("cost stack");
        var factory = new BlockFactory(bare.Configuration, bare.Rope, arena, scenario.Type);
        var layers = Enumerable.Range(0, depth).Select(i => new DecoderLayer(
            factory.Mixer(layer.Mixer, $"stack.{i}"), factory.FeedForward(layer.FeedForward, $"stack.{i}"))).ToList();
        var stack = bare.WithLayers(Shape([.. Enumerable.Repeat(layer, depth)]), layers, arena);
        ModelInitializer.Fill(stack, 1);
        return stack;
    }

    /// <summary>A half at two depths (or the bare model at one) and its samples.</summary>
    private sealed class Stack : IDisposable
    {
        private readonly Decoder _shallow;
        private readonly Decoder? _deep;
        private readonly List<double> _prefill = [];
        private readonly List<double> _decode = [];

        public Stack(Decoder shallow, Decoder? deep)
        {
            _shallow = shallow;
            _deep = deep;
            Label = deep is null ? "base" : LabelOf(deep.Configuration.Layers[0]);
        }

        public string Label { get; }

        public static string LabelOf(LayerConfiguration layer) => $"{layer.Mixer} + {layer.FeedForward}";

        public void Sample(ScenarioMeter meter, bool keep)
        {
            var low = meter.Measure(_shallow);
            var (prefill, decode) = (low.PrefillSeconds, low.DecodeSeconds);
            if (_deep is not null)
            {
                var high = meter.Measure(_deep);
                prefill = (high.PrefillSeconds - low.PrefillSeconds) / (DeepDepth - ShallowDepth);
                decode = (high.DecodeSeconds - low.DecodeSeconds) / (DeepDepth - ShallowDepth);
            }

            if (keep)
            {
                _prefill.Add(prefill);
                _decode.Add(decode);
            }
        }

        public VariantCost Cost(string label, long parameters, long bytes, long kvBytes) => new(
            label, parameters, bytes, kvBytes, Math.Max(0, Quantile(_prefill, 0.5)), Math.Max(0, Quantile(_decode, 0.5)),
            (Quantile(_decode, 0.75) - Quantile(_decode, 0.25)) / 2);

        public void Dispose()
        {
            _shallow.Dispose();
            _deep?.Dispose();
        }

        private static double Quantile(List<double> values, double share)
        {
            double[] sorted = [.. values.Order()];
            double position = share * (sorted.Length - 1);
            int lower = (int)position;
            int upper = Math.Min(lower + 1, sorted.Length - 1);
            return sorted[lower] + ((position - lower) * (sorted[upper] - sorted[lower]));
        }
    }
}
