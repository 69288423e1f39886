using Tessera.Devices;
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
    /// <summary>The window without a cap.</summary>
    /// <remarks>A card reads a layer over the bus in the time of its products; the processor reads one from the disk's cache in a small part of it.</remarks>
    public const long UsualWindow = 256L << 20;

    /// <summary>No more than one batch and one layer at a time.</summary>
    public static StreamingMemory Least { get; } = new(0, 0);

    /// <summary>The division of a cap.</summary>
    /// <param name="device">The device.</param>
    /// <param name="model">The parent.</param>
    /// <param name="steps">The batches.</param>
    /// <param name="cap">Most bytes of the device's memory; null for a window of 256 MiB, and on a card half of what is free for layers.</param>
    /// <exception cref="ArgumentException">The cap is less than what one layer and one batch take.</exception>
    public static StreamingMemory Of(Device device, ModelConfiguration model, CalibrationSteps steps, long? cap)
    {
        if (cap is not { } most)
        {
            return new StreamingMemory(UsualWindow, device.Threads > 0 ? 0 : (device.Memory.FreeBytes() ?? 0) / 2);
        }

        long need = Need(model, steps.LargestBatch, device.ActivationType);
        if (most < need)
        {
            throw new ArgumentException(
                $"memory: a layer with its states needs {HumanUnits.FormatBytes(need)} and the cap is {HumanUnits.FormatBytes(most)}: raise --memory, or lower --batch-tokens");
        }

        long window = Math.Min(UsualWindow, (most - need) / 2);
        return new StreamingMemory(window, most - need - window);
    }

    /// <summary>
    /// What the passage of layers takes at least: the head with its norm, two layers in f32 (the parent's and a variant), and a batch's
    /// activations in the widest half.
    /// </summary>
    /// <param name="model">The parent.</param>
    /// <param name="largestBatch">Tokens of the largest batch.</param>
    /// <param name="activations">How the device stores activations.</param>
    public static long Need(ModelConfiguration model, int largestBatch, DType activations)
    {
        long widest = 0, largest = 0;
        for (int i = 0; i < model.Layers.Length; i++)
        {
            largest = Math.Max(largest, model.MixerParameterCount(i) + model.FeedForwardParameterCount(i));
            long mixer = model.Layers[i].Mixer is AttentionConfiguration attention
                ? (2L * model.HeadCount + 2L * attention.KvHeadCount) * model.HeadDim : model.HiddenSize;
            long feedForward = model.Layers[i].FeedForward is SwiGluConfiguration swiGlu ? 3L * swiGlu.Width : model.HiddenSize;
            widest = Math.Max(widest, Math.Max(mixer, feedForward));
        }

        long head = (long)model.VocabularySize * model.HiddenSize * sizeof(float);
        long batch = largestBatch * (widest + (8L * model.HiddenSize)) * activations.Bytes();
        return head + (2 * largest * sizeof(float)) + batch;
    }
}
