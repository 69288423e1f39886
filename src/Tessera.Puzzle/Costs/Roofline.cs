using Tessera.Devices;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Costs;

/// <summary>
/// Time of halves and of whole models on a machine that is only known by its ceilings: every kernel takes as long as its products
/// or its bytes, whichever is longer, and what its launch costs.
/// </summary>
/// <remarks>
/// <code>
/// kernel     = max(FLOP / (peak · share), (weights + KV) / rate(model) + activations / rate(activations)) + launch
/// attention  = norm, QKV product, rotation and store, attention, output product; FLOP = 4 · heads · d for each attended token
/// SwiGLU     = norm, product of gate and up, SwiGLU, product of down
/// base       = rows of the embedding, final norm, head for the last row of every sequence, what a step costs beside kernels
/// </code>
/// rate(model) is that of a working set of all weights and half of the generated tokens' cache: a step reads them all, and what a cache
/// held of the first layer is gone when the next step comes back to it; prompts find weights in no cache. rate(activations) is that of the rows themselves. Heads are
/// the model's own, keys and values are read as often as sequences need them, queued prompts take room and no time, a tied head is
/// read like any other. Prompts enter as one step; a step's context is the mean over the generated tokens. Source: the roofline of
/// Williams, Waterman and Patterson 2009; kernels as this program cuts them.
/// </remarks>
/// <param name="model">The parent's shape, which decides the working set.</param>
/// <param name="scenario">The load.</param>
/// <param name="hardware">The machine.</param>
public sealed class Roofline(ModelConfiguration model, ServingScenario scenario, Hardware hardware)
{
    private readonly double _weight = StorageFormat.Parse(scenario.Type.Label(), "storage").BytesPerElement;
    private readonly int _activation = hardware.ActivationBytes(scenario.Type);
    private readonly double _modelRate = hardware.ReadRate(WorkingSet(model, scenario));
    private readonly double _coldRate = hardware.ReadRate(double.MaxValue);

    /// <summary>Time of a mixer.</summary>
    public ScenarioTime Time(MixerConfiguration mixer) => Both(phase => mixer switch
    {
        AttentionConfiguration attention => Attention(attention, phase),
        LinearMixerConfiguration => Norm(phase) + Product(phase, model.HiddenSize, model.HiddenSize),
        _ => 0,
    });

    /// <summary>Time of a feed-forward.</summary>
    public ScenarioTime Time(FeedForwardConfiguration feedForward) => Both(phase => feedForward switch
    {
        SwiGluConfiguration swiGlu => Norm(phase) + Product(phase, model.HiddenSize, 2L * swiGlu.Width)
            + Rows(phase.Rows * 3.0 * swiGlu.Width) + Product(phase, swiGlu.Width, model.HiddenSize),
        LinearFeedForwardConfiguration => Norm(phase) + Product(phase, model.HiddenSize, model.HiddenSize),
        _ => 0,
    });

    /// <summary>Time outside the layers.</summary>
    public ScenarioTime Base() => Both(phase => hardware.StepSeconds
        + Kernel(0, phase.Rows * model.HiddenSize * _weight / _coldRate, phase.Rows * (double)model.HiddenSize)
        + Rows(2.0 * phase.Sequences * model.HiddenSize)
        + Product(phase with { Rows = phase.Sequences }, model.HiddenSize, model.VocabularySize)
        + Rows((double)phase.Sequences * model.VocabularySize));

    /// <summary>Time of a whole model.</summary>
    public ScenarioTime Time(ModelConfiguration whole)
    {
        var total = Base();
        foreach (var layer in whole.Layers)
        {
            foreach (var half in (ScenarioTime[])[Time(layer.Mixer), Time(layer.FeedForward)])
            {
                total = new ScenarioTime(total.PrefillSeconds + half.PrefillSeconds, total.DecodeSeconds + half.DecodeSeconds);
            }
        }

        return total;
    }

    /// <summary>Bytes that one generation step reads: all weights but the rows of the embedding that it does not look up, and the mean cache.</summary>
    internal static double WorkingSet(ModelConfiguration model, ServingScenario scenario)
    {
        double element = StorageFormat.Parse(scenario.Type.Label(), "storage").BytesPerElement;
        long unread = model.TieEmbeddings ? 0 : (long)model.VocabularySize * model.HiddenSize;
        double context = scenario.InputLength + (scenario.OutputLength / 2.0);
        return element * (model.ParameterCount - unread + (scenario.Batch * context * model.KvElementsPerToken));
    }

    private ScenarioTime Both(Func<Phase, double> seconds) => new(
        seconds(new Phase((long)scenario.Batch * scenario.InputLength, scenario.Batch, IsPrefill: true)),
        seconds(new Phase(scenario.Batch, scenario.Batch, IsPrefill: false)));

    private double Attention(AttentionConfiguration attention, Phase phase)
    {
        long queries = (long)attention.Heads(model) * model.HeadDim, kv = attention.KvElementsPerToken(model);
        var (attended, cached) = Context(attention, phase);
        double shared = phase.IsPrefill ? double.PositiveInfinity : (double)attention.Heads(model) / attention.KvHeadCount;
        return Norm(phase) + Product(phase, model.HiddenSize, queries + kv)
            + Kernel(0, phase.Rows * kv * _weight / _modelRate, 2.0 * phase.Rows * (queries + kv))
            + Kernel(
                4.0 * queries * attended / hardware.AttentionRate(scenario.Type, shared), cached * kv * _weight / _modelRate,
                2.0 * phase.Rows * queries)
            + Product(phase, queries, model.HiddenSize);
    }

    /// <summary>Pairs of a query and a position that it attends to, and positions whose keys and values are read, over all sequences.</summary>
    private (double Attended, double Cached) Context(AttentionConfiguration attention, Phase phase)
    {
        double window = attention.Window ?? double.PositiveInfinity, input = scenario.InputLength, output = scenario.OutputLength;
        if (phase.IsPrefill)
        {
            // Σ min(p, window) for p from 1 to the prompt's length.
            double growing = Math.Min(input, window);
            double pairs = (growing * (growing + 1) / 2) + (Math.Max(0, input - window) * (double.IsInfinity(window) ? 0 : window));
            return (phase.Sequences * pairs, phase.Sequences * input);
        }

        // The step that generates token t attends to input + t + 1 positions.
        double mean = 0;
        double growingSteps = Math.Clamp(window - input, 0, output);
        mean += growingSteps * (input + ((growingSteps + 1) / 2));
        mean += growingSteps < output ? (output - growingSteps) * window : 0;
        mean /= output;
        return (phase.Sequences * mean, phase.Sequences * mean);
    }

    /// <summary>The norm of a half with the addition to the stream in front of it: two arrays read, two written.</summary>
    private double Norm(Phase phase) => Rows(4.0 * phase.Rows * model.HiddenSize);

    /// <summary>A product of rows with a weight [outputs, inputs].</summary>
    private double Product(Phase phase, long inputs, long outputs) => Kernel(
        2.0 * phase.Rows * inputs * outputs / hardware.ProductRate(scenario.Type, phase.Rows),
        inputs * outputs * _weight / (phase.IsPrefill ? _coldRate : _modelRate), (double)phase.Rows * (inputs + outputs));

    /// <summary>A kernel that reads and writes so many elements of activations.</summary>
    private double Rows(double elements) => Kernel(0, 0, elements);

    /// <summary>Whichever is longer of the products and the bytes; a launch.</summary>
    private double Kernel(double productSeconds, double modelSeconds, double activations)
    {
        double bytes = activations * _activation;
        return hardware.LaunchSeconds + Math.Max(productSeconds, modelSeconds + (bytes / hardware.ReadRate(bytes)));
    }

    /// <summary>A step: all prompts, or one token of each sequence.</summary>
    private readonly record struct Phase(long Rows, int Sequences, bool IsPrefill);
}
