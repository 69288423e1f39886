using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Writes new keys and values into a sequence's cache.</summary>
/// <remarks>
/// store[row of position, c] = source[row of the step, c], rounded to nearest even where the cache is bf16 (NaN stays NaN).
/// Aliasing: sources and destinations must not overlap.
/// Determinism: bitwise; every element is converted on its own.
/// Cost: 8 bytes per element of f32, 6 of bf16, for keys and for values.
/// </remarks>
public static unsafe partial class KeyValueStore
{
    /// <summary>Elements below which waking the workers costs more than they save.</summary>
    private const long ElementsOfOneThread = 65_536;

    /// <summary>Stores the new positions of every sequence of a step: row QueryStart + i is position KeyCount − QueryCount + i.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="keys">Keys of the step, [tokens, width].</param>
    /// <param name="values">Values of the step, [tokens, width].</param>
    /// <param name="sourceStride">Elements from one source row to the next.</param>
    /// <param name="segments">The sequences, in the device's memory; where each of their positions lies in the cache.</param>
    /// <param name="bounds">What the host knows of them.</param>
    /// <param name="keyStore">Row 0 of the cache's keys, f32 or bf16.</param>
    /// <param name="valueStore">Row 0 of the cache's values, stored as the keys are.</param>
    /// <param name="storeStride">Elements from one cached position to the next.</param>
    /// <param name="width">Elements of one row: K·E.</param>
    /// <exception cref="ArgumentException">Type, width, a stride or a segment is unusable.</exception>
    public static void Append(
        Device device,
        Elements keys,
        Elements values,
        long sourceStride,
        AttentionSegment* segments,
        in AttentionBounds bounds,
        Elements keyStore,
        Elements valueStore,
        long storeStride,
        int width)
    {
        if (keyStore.Type != valueStore.Type || keyStore.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException(
                $"a key-value cache is f32 or bf16, not {keyStore.Type.Label()} and {valueStore.Type.Label()}", nameof(keyStore));
        }

        if (width < 1 || sourceStride < width || storeStride < width)
        {
            throw new ArgumentException(
                $"cache append: rows of {width} elements do not fit strides {sourceStride} and {storeStride}");
        }

        if (device is CudaDevice cuda)
        {
            AppendCuda(
                cuda, keys, values, sourceStride, segments, bounds, keyStore, valueStore, storeStride, width);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var call = new AppendCall
        {
            Keys = keys.Floats,
            Values = values.Floats,
            SourceStride = sourceStride,
            Segments = segments,
            SegmentCount = bounds.Segments,
            Type = keyStore.Type,
            KeyStore = keyStore.Address,
            ValueStore = valueStore.Address,
            StoreStride = storeStride,
            Width = width,
        };
        for (int s = 0; s < bounds.Segments && !device.IsPlanning; s++)
        {
            if (segments[s].QueryCount < 0 || segments[s].KeyCount < segments[s].QueryCount)
            {
                throw new ArgumentException(
                    $"cache append: segment {s} has {segments[s].QueryCount} new positions of {segments[s].KeyCount}");
            }

            call.Tokens += segments[s].QueryCount;
        }

        if (call.Tokens * width < ElementsOfOneThread && !device.IsPlanning)
        {
            AppendWorker(&call, 0, 1);
        }
        else
        {
            scope.Processor.Workers.Run(&AppendWorker, &call);
        }
    }

    private struct AppendCall
    {
        public float* Keys;
        public float* Values;
        public AttentionSegment* Segments;
        public nint KeyStore;
        public nint ValueStore;
        public long SourceStride;
        public long StoreStride;
        public long Tokens;
        public int SegmentCount;
        public int Width;
        public DType Type;
    }
}
