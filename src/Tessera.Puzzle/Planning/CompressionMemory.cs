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
/// Library and scores hold one layer of the parent and one variant, the head, a batch's activations, and a window of residual streams; a
/// distillation adds f32 weights that are trained, their first values, gradient and two moments. Residual streams between layers lie on the disk. Speeds take the
/// parent and as much again in the scenario's storage, and one cache at a time. Global distillation holds whole models in f32.
/// </remarks>
/// <param name="parent">The parent's shape.</param>
/// <param name="settings">What is to be done.</param>
/// <param name="work">How much data.</param>
/// <param name="hardware">The machine: a card computes in bf16 where weights are bf16.</param>
/// <param name="weights">Storage of the weights of library and scores.</param>
internal sealed class CompressionMemory(
    ModelConfiguration parent, CompressionSettings settings, CompressionWork work, Hardware hardware, DType weights)
{
    private const int LogitRows = 256;

    // What is trained, its first values, gradient and two moments in f32; beside bf16 the variant as it is stored and a copy that products read.
    private double BytesOfTrained => (5.0 * sizeof(float)) + (weights == DType.F32 ? 0 : 2 * weights.Bytes());

    private DType Activation => hardware.IsCard ? weights : DType.F32;

    /// <summary>Parent, and every half eight times, all at once; each pass has a cache.</summary>
    public double Measure(IReadOnlyList<MixerConfiguration> mixers, IReadOnlyList<FeedForwardConfiguration> feedForwards)
    {
        var memory = settings.Scenario.Memory;
        double copies = mixers.Sum(m => memory.WeightBytes(m.ParameterCount(parent), 0)) + feedForwards.Sum(f => memory.WeightBytes(f.ParameterCount(parent), 0));
        double cache = memory.KvBytes(parent.KvElementsPerToken + (CostMeter.Copies * mixers.Max(m => m.KvElementsPerToken(parent))));
        double rows = (double)settings.Scenario.Batch * settings.Scenario.InputLength;
        return memory.WeightBytes(parent.ParameterCount, 0) + (CostMeter.Copies * copies) + cache + Activations(rows, ServedActivation);
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
        return Passage(work.CalibrationTokens, 1) + (BytesOfTrained * largest) + Activations(Batch, Activation);
    }

    /// <summary>The passage of layers beneath a job's variants, and rows of logits.</summary>
    public double Scores() => Passage(work.ScoringTokens, ScoreTable.VariantsPerJob) + Logits();

    /// <summary>
    /// The parent and the halves of a second one in the scenario's storage with a cache, or the passage of layers beneath all candidates.
    /// </summary>
    public double Realise(int candidates)
    {
        var memory = settings.Scenario.Memory;
        double timing = (2 * memory.WeightBytes(parent.ParameterCount, 0)) + memory.KvBytes(parent.KvElementsPerToken)
            + Activations((double)settings.Scenario.Batch * settings.Scenario.InputLength, ServedActivation);
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
        States(work.CalibrationTokens, (2 * parent.Layers.Length) + 1) * Math.Min(settings.Library.States.Bytes(), Activation.Bytes()) / Activation.Bytes(), States(work.ScoringTokens, parent.Layers.Length + 1));

    /// <summary>A card stores activations of a load as its weights are.</summary>
    private DType ServedActivation => hardware.IsCard && settings.Scenario.Type != DType.F32 ? DType.BF16 : DType.F32;

    private double Batch => Math.Min(work.BatchTokens, work.CalibrationTokens);

    /// <summary>What the passage of layers takes: head, two layers, a batch, and a window of streams for so many models.</summary>
    private double Passage(double tokens, int models) => StreamingMemory.Need(parent, (int)Batch, Activation, weights)
        + Math.Min(StreamingMemory.UsualWindow, States(tokens, models));

    private double States(double tokens, int depths) => Activation.Bytes() * tokens * depths * parent.HiddenSize;

    /// <summary>What a layer keeps of a batch: the stream three times, queries, keys and values, and three arrays of the widest feed-forward.</summary>
    private double Activations(double rows, DType type)
    {
        double attention = parent.Layers.Max(layer => layer.Mixer is AttentionConfiguration own
            ? (2.0 * own.Heads(parent) * parent.HeadDim) + layer.Mixer.KvElementsPerToken(parent) : parent.HiddenSize);
        double width = parent.Layers.Max(layer => layer.FeedForward is SwiGluConfiguration swiGlu ? 3.0 * swiGlu.Width : parent.HiddenSize);
        return type.Bytes() * rows * ((3.0 * parent.HiddenSize) + attention + width);
    }

    private double Logits() => 2.0 * sizeof(float) * LogitRows * parent.VocabularySize;
}
