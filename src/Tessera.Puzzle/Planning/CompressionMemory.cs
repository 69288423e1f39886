using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Training.Memory;

namespace Tessera.Puzzle.Planning;

/// <summary>The most that each stage of a compression holds at once, in bytes.</summary>
/// <remarks>
/// The parent lies in f32 throughout. The library keeps every trained half in f32 to the end; a distillation adds the parent's states
/// in front of every layer, behind the last and behind the final norm, the stream between the halves of one layer, and one
/// half with a copy, its gradient, two moments and the activations of a batch. Scores keep states of their own tokens.
/// </remarks>
/// <param name="parent">The parent's shape.</param>
/// <param name="settings">What is to be done.</param>
/// <param name="work">How much data.</param>
internal sealed class CompressionMemory(ModelConfiguration parent, CompressionSettings settings, CompressionWork work)
{
    private const int LogitRows = 256;

    private double Parent => sizeof(float) * (double)parent.ParameterCount;

    private double Halves => parent.Layers.Sum(layer => sizeof(float) * (
        VariantGrid.Mixers(layer.Mixer).Skip(1).Sum(mixer => (double)mixer.ParameterCount(parent))
        + VariantGrid.FeedForwards(layer.FeedForward).Skip(1).Sum(ffn => (double)ffn.ParameterCount(parent))));

    /// <summary>Parent, and every half eight times, all at once; each pass has a cache.</summary>
    public double Measure(IReadOnlyList<MixerConfiguration> mixers, IReadOnlyList<FeedForwardConfiguration> feedForwards)
    {
        var memory = settings.Scenario.Memory;
        double copies = mixers.Sum(m => memory.WeightBytes(m.ParameterCount(parent), 0)) + feedForwards.Sum(f => memory.WeightBytes(f.ParameterCount(parent), 0));
        double cache = memory.KvBytes(parent.KvElementsPerToken + (CostMeter.Copies * mixers.Max(m => m.KvElementsPerToken(parent))));
        double rows = (double)settings.Scenario.Batch * settings.Scenario.InputLength;
        return Parent + memory.WeightBytes(parent.ParameterCount, 0) + (CostMeter.Copies * copies) + cache + Activations(rows);
    }

    /// <summary>Parent, states, trained halves, one distillation.</summary>
    public double Library()
    {
        double largest = parent.Layers.Max(layer => Math.Max(
            VariantGrid.Mixers(layer.Mixer).Skip(1).Select(m => m.ParameterCount(parent)).DefaultIfEmpty().Max(),
            VariantGrid.FeedForwards(layer.FeedForward).Skip(1).Select(f => f.ParameterCount(parent)).DefaultIfEmpty().Max()));
        double batch = Math.Min(work.BatchTokens, work.CalibrationTokens);
        return Parent + Halves + States(work.CalibrationTokens, parent.Layers.Length + 3) + (4.0 * sizeof(float) * largest) + (2 * Activations(batch));
    }

    /// <summary>Parent, states of the scored tokens, trained halves.</summary>
    public double Scores() => Parent + Halves + States(work.ScoringTokens, parent.Layers.Length + 2) + Activations(work.BatchTokens) + Logits();

    /// <summary>Parent, trained halves, and all candidates in the scenario's storage with a cache, or the states of both sets of tokens.</summary>
    public double Realise(int candidates)
    {
        var memory = settings.Scenario.Memory;
        double timing = (candidates * memory.WeightBytes(parent.ParameterCount, 0)) + memory.KvBytes(parent.KvElementsPerToken);
        double scoring = States(work.ScoringTokens, parent.Layers.Length + 2) + Activations(work.BatchTokens) + Logits();
        return Parent + Halves + Math.Max(timing, scoring);
    }

    /// <summary>Trained halves, and what the trainer plans for parent and child; without training both and the written child.</summary>
    public double Heal()
    {
        if (settings.Healing.Schedule.TotalSteps == 0)
        {
            return (2 * Parent) + Halves + Activations(work.BatchTokens);
        }

        using var device = new CpuDevice(1);
        using var planning = device.ForPlanning();
        using var student = Decoder.Allocate(parent, DType.F32, planning);
        using var teacher = Decoder.Allocate(parent, DType.F32, planning);
        return Halves + TrainingMemory.Plan(device, student, settings.Healing, settings.HealingWeights, teacher, weightsAreHeld: false).Bytes;
    }

    private double States(double tokens, int depths) => sizeof(float) * tokens * depths * parent.HiddenSize;

    /// <summary>What a layer keeps of a batch: the stream three times, queries, keys and values, and three arrays of the widest feed-forward.</summary>
    private double Activations(double rows)
    {
        double attention = parent.Layers.Max(layer => layer.Mixer is AttentionConfiguration
            ? (2.0 * parent.HeadCount * parent.HeadDim) + layer.Mixer.KvElementsPerToken(parent) : parent.HiddenSize);
        double width = parent.Layers.Max(layer => layer.FeedForward is SwiGluConfiguration swiGlu ? 3.0 * swiGlu.Width : parent.HiddenSize);
        return sizeof(float) * rows * ((3.0 * parent.HiddenSize) + attention + width);
    }

    private double Logits() => 2.0 * sizeof(float) * LogitRows * parent.VocabularySize;
}
