using System.Collections.Immutable;
using System.Diagnostics;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Tensors;
using Tessera.Training.Data;
using Tessera.Training.Memory;
using Tessera.Training.Objectives;

namespace Tessera.Training.Measurement;

/// <summary>
/// Times whole training steps (forward, loss, backward, clipping, AdamW) against the multiply-adds of the same threads, or the
/// products of the same card.
/// </summary>
public sealed class TrainingBench : IDisposable
{
    private const int WarmUpSteps = 2;
    private const int ProbesAPair = 15;

    private readonly Device _device;
    private readonly string _precision;
    private readonly Objective _objective;
    private readonly Optimizer _optimizer;
    private readonly PackedBatch[] _batches;
    private readonly TrainingSettings _settings;
    private readonly double _stepFlops;

    /// <summary>A bench on random tokens.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="model">The model, in f32 or, where the device trains that, bf16; it is trained on noise.</param>
    /// <param name="documents">Documents of a step.</param>
    /// <param name="length">Tokens of each.</param>
    /// <param name="recompute">What is computed again for the backward.</param>
    /// <param name="eager">Whether nothing is recorded on a device that could.</param>
    /// <exception cref="ArgumentException">The memory that it needs is not there.</exception>
    public TrainingBench(Device device, Decoder model, int documents, int length, RecomputeLevel recompute, bool eager = false)
    {
        _device = device;
        _precision = model.Head.Type == DType.BF16 || device.ActivationType == DType.F32 ? model.Head.Type.Label() : "mixed";
        int tokens = checked(documents * length);
        _settings = new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Constant, 1e-4, 1e-4, 0, 1),
            BatchTokens = tokens,
            MaxLength = length,
            Recompute = recompute,
        };
        var weights = ObjectiveWeights.LanguageModelling;
        Memory = TrainingMemory.Plan(device, model, _settings, weights);
        MemoryLimit.Check(
            device, Memory, _settings, level => TrainingMemory.Plan(device, model, _settings with { Recompute = level }, weights));
        Flops = TrainingFlops.PerToken(model.Configuration, length);
        _stepFlops = Flops.Full * tokens;
        Tokens = tokens;
        _objective = new Objective(device, model, weights, recompute: recompute, eager: eager);
        Memory.Reserve(_objective.Arenas);
        _optimizer = new Optimizer(device, model.Parameters);
        _batches = [.. Enumerable.Range(0, 4).Select(i => Random(model.Configuration.VocabularySize, documents, length, (ulong)i))];
    }

    /// <summary>The planned peak.</summary>
    public MemoryPlan Memory { get; }

    /// <summary>What was planned, to be compared with the plan.</summary>
    public IEnumerable<Arena> Arenas => [.. _objective.Arenas, _optimizer.Arena, _device.Scratch];

    /// <summary>FLOP a token.</summary>
    public TrainingFlops Flops { get; }

    /// <summary>Tokens a step.</summary>
    public int Tokens { get; }

    /// <summary>
    /// 12 layers of width 768 with 12 heads and feed-forwards of 2,048, 32,000 tokens, tied embeddings: 109.5 M parameters, all of
    /// them in products, as in GPT-2 small (124 M with its larger vocabulary).
    /// </summary>
    public static ModelConfiguration DefaultModel { get; } = new()
    {
        Architecture = ModelFamily.Llama,
        VocabularySize = 32_000,
        HiddenSize = 768,
        HeadCount = 12,
        HeadDim = 64,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 10_000,
        MaxPositions = 2048,
        TieEmbeddings = true,
        StorageType = DType.F32,
        Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(12), new SwiGluConfiguration(2048)), 12)],
    };

    /// <summary>Runs steps and ceilings in turn.</summary>
    /// <param name="steps">Measured pairs.</param>
    /// <param name="shape">Of the result.</param>
    /// <param name="breakdown">Told where the time goes, if not null.</param>
    /// <returns>
    /// The rate in the full convention; as details tokens and steps a second, the rate in the causal convention, model FLOP
    /// utilisation in both where the maker publishes a peak, bytes planned and used, and seconds of the parts of a further step.
    /// </returns>
    public BenchResult Run(int steps, string shape, OperationClock? breakdown = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        using var probe = CeilingProbe.Of(_device);
        using var clock = _device.CreateClock();
        for (int i = 0; i < WarmUpSteps; i++)
        {
            Step(i);
        }

        _objective.Clock = breakdown;
        var rates = new List<double>();
        var ceilings = new List<double>();
        var ratios = new List<double>();
        double before = Ceiling(probe);
        for (int i = 0; i < steps; i++)
        {
            clock.Reset();
            int start = clock.Mark();
            breakdown?.Start();
            Step(i);
            double rate = _stepFlops / clock.Seconds(start, clock.Mark());
            double after = Ceiling(probe);
            rates.Add(rate);
            ceilings.Add((before + after) / 2);
            ratios.Add(rate / ceilings[^1]);
            before = after;
        }

        _objective.Clock = null;
        double value = KernelBench.Quantile(rates, 0.5);
        return new BenchResult(
            "train", shape, _precision, _device.Threads, value / 1e9, "GFLOP/s", KernelBench.Quantile(ceilings, 0.5) / 1e9,
            KernelBench.Quantile(ratios, 0.5), steps, KernelBench.HalfRange(ratios))
        {
            Details = Describe(value, probe.Published(BenchCeiling.FusedMultiplyAdd)),
        };
    }

    /// <summary>One step.</summary>
    /// <returns>Its loss.</returns>
    public double Step(int index)
    {
        var batch = _batches[index % _batches.Length];
        _optimizer.ClearGradients();
        _objective.Clock?.Lap("clear gradients");
        var loss = _objective.Accumulate(batch, batch.WeightSum);
        double norm = _optimizer.GradientNorm();
        _objective.Clock?.Lap("gradient norm");
        _optimizer.Update(_settings, _settings.Schedule.Peak, norm);
        _objective.Clock?.Lap("adamw");
        return loss.CrossEntropy;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _objective.Dispose();
        _optimizer.Dispose();
    }

    private Dictionary<string, double> Describe(double flops, double? peak)
    {
        double seconds = _stepFlops / flops, causal = Flops.Causal / Flops.Full;
        var details = new Dictionary<string, double>
        {
            ["tokens_per_second"] = Tokens / seconds,
            ["step_seconds"] = seconds,
            ["causal_gflops"] = flops * causal / 1e9,
            ["memory_planned"] = Memory.Bytes,
            ["memory_used"] = Memory.Used(Arenas).Bytes,
        };
        if (peak is { } published)
        {
            details["mfu_full"] = flops / published;
            details["mfu_causal"] = flops * causal / published;
        }

        foreach (var (part, time) in Parts())
        {
            details[$"{part}_seconds"] = time;
        }

        return details;
    }

    /// <summary>Seconds of the parts of one step; the losses have the head inside, forward and backward.</summary>
    private Dictionary<string, double> Parts()
    {
        using var clock = new OperationClock(_device);
        _objective.Clock = clock;
        clock.Start();
        Step(0);
        _objective.Clock = null;
        var parts = new Dictionary<string, double>();
        foreach (var (operation, seconds) in clock.Seconds)
        {
            string part = operation.Contains(" forward", StringComparison.Ordinal) ? "forward"
                : operation.Contains(" backward", StringComparison.Ordinal) ? "backward"
                : operation == "losses" ? "losses"
                : "optimizer";
            parts[part] = parts.GetValueOrDefault(part) + seconds;
        }

        return parts;
    }

    private static double Ceiling(CeilingProbe probe) =>
        KernelBench.Quantile(Enumerable.Range(0, ProbesAPair).Select(_ => probe.Rate(BenchCeiling.FusedMultiplyAdd)), 0.5);

    private static PackedBatch Random(int vocabulary, int documents, int length, ulong seed)
    {
        var random = new CounterRandom(seed, 0xBE7C);
        var ids = ImmutableArray.CreateBuilder<TokenDocument>();
        for (int d = 0; d < documents; d++)
        {
            var document = new int[length];
            for (int i = 0; i < length; i++)
            {
                document[i] = random.Next(vocabulary);
            }

            ids.Add(TokenDocument.Uniform(document));
        }

        return BatchPacker.Pack(ids, length, documents * length);
    }
}
