using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Training.Memory;

namespace Tessera.Puzzle.Planning;

/// <summary>The most that each stage of a compression holds at once, in bytes.</summary>
/// <remarks>
/// Library and scores hold one layer of the parent in f32 and one variant, the head, a batch's activations, and a window of residual streams; a
/// distillation adds a half's copy, gradient and two moments. Residual streams between layers lie on the disk. Speeds take the parent
/// and as much again in the scenario's storage. Global distillation holds whole models in f32.
/// </remarks>
/// <param name="parent">The parent's shape.</param>
/// <param name="settings">What is to be done.</param>
/// <param name="work">How much data.</param>
internal sealed class CompressionMemory(ModelConfiguration parent, CompressionSettings settings, CompressionWork work)
{
    private const int LogitRows = 256;

    private double Parent => sizeof(float) * (double)parent.ParameterCount;

    /// <summary>Parent, and every half eight times, all at once; each pass has a cache.</summary>
    public double Measure(IReadOnlyList<MixerConfiguration> mixers, IReadOnlyList<FeedForwardConfiguration> feedForwards)
    {
        var memory = settings.Scenario.Memory;
        double copies = mixers.Sum(m => memory.WeightBytes(m.ParameterCount(parent), 0)) + feedForwards.Sum(f => memory.WeightBytes(f.ParameterCount(parent), 0));
        double cache = memory.KvBytes(parent.KvElementsPerToken + (CostMeter.Copies * mixers.Max(m => m.KvElementsPerToken(parent))));
        double rows = (double)settings.Scenario.Batch * settings.Scenario.InputLength;
        return Parent + memory.WeightBytes(parent.ParameterCount, 0) + (CostMeter.Copies * copies) + cache + Activations(rows);
    }

    /// <summary>The passage of layers, and one distillation of the largest half.</summary>
    public double Library()
    {
        double largest = settings.Library.Mode != DistillationMode.Decoupled
            // A pair is trained whole, and may be the parent's own mixer with another feed-forward.
            ? parent.Layers.Max(layer => layer.Mixer.ParameterCount(parent) + layer.FeedForward.ParameterCount(parent))
            : parent.Layers.Max(layer => Math.Max(
                settings.Variants.Mixers(layer.Mixer).Skip(1).Select(m => m.ParameterCount(parent)).DefaultIfEmpty().Max(),
                settings.Variants.FeedForwards(layer.FeedForward).Skip(1).Select(f => f.ParameterCount(parent)).DefaultIfEmpty().Max()));
        return Passage(work.CalibrationTokens, 1) + (4.0 * sizeof(float) * largest) + Activations(Batch);
    }

    /// <summary>The passage of layers beneath a job's variants, and rows of logits.</summary>
    public double Scores() => Passage(work.ScoringTokens, ScoreTable.VariantsPerJob) + Logits();

    /// <summary>
    /// The parent and the halves of a second one in the scenario's storage with a cache, or the passage of layers beneath all candidates.
    /// </summary>
    public double Realise(int candidates)
    {
        var memory = settings.Scenario.Memory;
        double timing = (2 * memory.WeightBytes(parent.ParameterCount, 0)) + (2 * memory.KvBytes(parent.KvElementsPerToken))
            + Activations((double)settings.Scenario.Batch * settings.Scenario.InputLength);
        return Math.Max(timing, Passage(work.ScoringTokens, candidates) + Logits());
    }

    /// <summary>What the trainer plans for parent and child; without training the child as it is written.</summary>
    public double Heal()
    {
        if (settings.Healing.Schedule.TotalSteps == 0)
        {
            return Math.Max(settings.Scenario.Memory.WeightBytes(parent.ParameterCount, 0), Passage(work.ScoringTokens, 1) + Logits());
        }

        using var device = new CpuDevice(1);
        using var planning = device.ForPlanning();
        using var student = Decoder.Allocate(parent, DType.F32, planning);
        using var teacher = Decoder.Allocate(parent, DType.F32, planning);
        return TrainingMemory.Plan(device, student, settings.Healing, settings.HealingWeights, teacher, weightsAreHeld: false).Bytes;
    }

    /// <summary>Residual streams on the disk while the library is built, or while the scores are taken.</summary>
    public double StatesOnDisk() => Math.Max(
        States(work.CalibrationTokens, (2 * parent.Layers.Length) + 1) * settings.Library.States.Bytes() / sizeof(float), States(work.ScoringTokens, parent.Layers.Length + 1));

    private double Batch => Math.Min(work.BatchTokens, work.CalibrationTokens);

    /// <summary>What the passage of layers takes: head, two layers, a batch, and a window of streams for so many models.</summary>
    private double Passage(double tokens, int models) => StreamingMemory.Need(parent, (int)Batch, DType.F32)
        + Math.Min(StreamingMemory.UsualWindow, States(tokens, models));

    private double States(double tokens, int depths) => sizeof(float) * tokens * depths * parent.HiddenSize;

    /// <summary>What a layer keeps of a batch: the stream three times, queries, keys and values, and three arrays of the widest feed-forward.</summary>
    private double Activations(double rows)
    {
        double attention = parent.Layers.Max(layer => layer.Mixer is AttentionConfiguration own
            ? (2.0 * own.Heads(parent) * parent.HeadDim) + layer.Mixer.KvElementsPerToken(parent) : parent.HiddenSize);
        double width = parent.Layers.Max(layer => layer.FeedForward is SwiGluConfiguration swiGlu ? 3.0 * swiGlu.Width : parent.HiddenSize);
        return sizeof(float) * rows * ((3.0 * parent.HiddenSize) + attention + width);
    }

    private double Logits() => 2.0 * sizeof(float) * LogitRows * parent.VocabularySize;
}
