using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Runs;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// How much of a device's memory the passage of layers may use: for residual streams that wait for the next layer, and for layers of the
/// parent that are kept because they come again. Both change speed and no bit of a result.
/// </summary>
/// <param name="WindowBytes">Residual streams in memory at a time; one batch of one model is the least.</param>
/// <param name="CacheBytes">Layers of the parent that stay in memory.</param>
public sealed record StreamingMemory(long WindowBytes, long CacheBytes)
{
    /// <summary>Variants of one layer that stay in memory while the layer is worked on.</summary>
    public long VariantBytes { get; init; }

    /// <summary>The window without a cap.</summary>
    /// <remarks>A card reads a layer over the bus in the time of its products; the processor reads one from the disk's cache in a small part of it.</remarks>
    public const long UsualWindow = 256L << 20;

    // All widths and mixers of the grid, as a multiple of the layer.
    private const long VariantsOfALayer = 4;

    // A card that streams layers over the bus reads each once for so many streams; its memory is larger, too.
    private const long CardWindow = 2L << 30;

    /// <summary>No more than one batch and one layer at a time.</summary>
    public static StreamingMemory Least { get; } = new(0, 0);

    /// <summary>The division of a cap.</summary>
    /// <param name="device">The device.</param>
    /// <param name="parent">The parent.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="cap">Most bytes of the device's memory; null for a window of 256 MiB, and on a card half of what is free for layers.</param>
    /// <exception cref="ArgumentException">The cap is less than what one layer and one batch take.</exception>
    public static StreamingMemory Of(Device device, ModelParts parent, CalibrationSteps steps, long? cap)
    {
        var (model, weights) = (parent.Configuration, parent.Type);
        bool isCard = device.Threads == 0;
        long variants = isCard ? LargestLayer(model) * VariantsOfALayer * weights.Bytes() : 0;
        if (cap is not { } most)
        {
            return isCard
                ? new StreamingMemory(CardWindow, (device.Memory.FreeBytes() ?? 0) / 2) { VariantBytes = variants }
                : new StreamingMemory(UsualWindow, 0);
        }

        // A card has logits of its own size in its scratch, and keeps what a kernel took there.
        long need = Need(model, steps.LargestBatch, device.ActivationType, weights) + (isCard ? LinearCrossEntropy.CudaLogitsBudgetBytes : 0);
        if (most < need)
        {
            throw new ArgumentException(
                $"memory: a layer with its states needs {HumanUnits.FormatBytes(need)} and the cap is {HumanUnits.FormatBytes(most)}: raise --memory, or lower --batch-tokens");
        }

        variants = Math.Min(variants, (most - need) / 4);
        long window = Math.Min(isCard ? CardWindow : UsualWindow, (most - need) / (isCard ? 4 : 2));
        return new StreamingMemory(window, most - need - window - variants) { VariantBytes = variants };
    }

    /// <summary>
    /// What the passage of layers takes at least: the head with its norm, two layers (the parent's and a variant), and a batch's
    /// activations in the widest half.
    /// </summary>
    /// <param name="model">The parent.</param>
    /// <param name="largestBatch">Tokens of the largest batch.</param>
    /// <param name="activations">How the device stores activations.</param>
    /// <param name="weights">How the parent's matrices are stored in memory.</param>
    public static long Need(ModelConfiguration model, int largestBatch, DType activations, DType weights = DType.F32)
    {
        long widest = 0, largest = LargestLayer(model);
        for (int i = 0; i < model.Layers.Length; i++)
        {
            long mixer = model.Layers[i].Mixer is AttentionConfiguration attention
                ? (2L * model.HeadCount + 2L * attention.KvHeadCount) * model.HeadDim : model.HiddenSize;
            long feedForward = model.Layers[i].FeedForward is SwiGluConfiguration swiGlu ? 3L * swiGlu.Width : model.HiddenSize;
            widest = Math.Max(widest, Math.Max(mixer, feedForward));
        }

        long head = (long)model.VocabularySize * model.HiddenSize * weights.Bytes();
        long batch = largestBatch * (widest + (8L * model.HiddenSize)) * activations.Bytes();
        return head + (2 * largest * weights.Bytes()) + batch;
    }

    /// <summary>Parameters of the largest layer.</summary>
    private static long LargestLayer(ModelConfiguration model) => model.Layers.Length == 0
        ? 0 : Enumerable.Range(0, model.Layers.Length).Max(i => model.MixerParameterCount(i) + model.FeedForwardParameterCount(i));
}
