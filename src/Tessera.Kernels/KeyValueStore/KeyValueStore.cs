using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Writes new keys and values into a sequence's cache.</summary>
/// <remarks>
/// destination[i, c] = source[i, c], rounded to nearest even where the cache is bf16 (NaN stays NaN).
/// Aliasing: sources and destinations must not overlap.
/// Determinism: bitwise; every element is converted on its own.
/// Cost: 8 bytes per element of f32, 6 of bf16, for keys and for values.
/// </remarks>
public static unsafe partial class KeyValueStore
{
    /// <summary>Elements below which waking the workers costs more than they save.</summary>
    private const long ElementsOfOneThread = 65_536;

    /// <summary>Appends <paramref name="count"/> positions.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="keys">New keys, [count, width].</param>
    /// <param name="values">New values, [count, width].</param>
    /// <param name="sourceStride">Elements from one source row to the next.</param>
    /// <param name="count">Rows to copy.</param>
    /// <param name="type">f32 or bf16: the cache's storage.</param>
    /// <param name="keyDestination">Address in the cache of the first new position's keys.</param>
    /// <param name="valueDestination">Address in the cache of the first new position's values.</param>
    /// <param name="destinationStride">Elements from one cached position to the next.</param>
    /// <param name="width">Elements of one row: K·E.</param>
    /// <exception cref="ArgumentException">Type, count, width or a stride is unusable.</exception>
    public static void Append(
        Device device,
        float* keys,
        float* values,
        long sourceStride,
        int count,
        DType type,
        nint keyDestination,
        nint valueDestination,
        long destinationStride,
        int width)
    {
        if (type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"a key-value cache is f32 or bf16, not {type.Label()}", nameof(type));
        }

        if (count < 0 || width < 1 || sourceStride < width || destinationStride < width)
        {
            throw new ArgumentException(
                $"cache append: {count} rows of {width} elements do not fit strides {sourceStride} and {destinationStride}");
        }

        var call = new AppendCall
        {
            Keys = keys,
            Values = values,
            SourceStride = sourceStride,
            Count = count,
            Type = type,
            KeyDestination = keyDestination,
            ValueDestination = valueDestination,
            DestinationStride = destinationStride,
            Width = width,
        };
        var workers = CpuDevice.From(device).Workers;
        if ((long)count * width < ElementsOfOneThread)
        {
            AppendWorker(&call, 0, 1);
        }
        else
        {
            workers.Run(&AppendWorker, &call);
        }
    }

    private struct AppendCall
    {
        public float* Keys;
        public float* Values;
        public long SourceStride;
        public int Count;
        public DType Type;
        public nint KeyDestination;
        public nint ValueDestination;
        public long DestinationStride;
        public int Width;
    }
}
