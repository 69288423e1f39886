using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Chosen rows of a matrix: the last token of every sequence, for example.</summary>
/// <remarks>
/// target[i] = source[rows[i]], converted where the types differ.
/// Shapes: source [any, width]; rows [count]; target [count, width], dense.
/// Aliasing: target must not overlap source.
/// Error: none beyond the rounding of f32 to bf16. On a card a row number outside the source gives zeros.
/// Determinism: bitwise, independent of thread count.
/// Cost: 8 bytes an element in f32.
/// </remarks>
public static unsafe partial class RowGather
{
    /// <summary>target[i] = source[rows[i]].</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="source">f32 or bf16.</param>
    /// <param name="rows">[count] row numbers, in the device's memory.</param>
    /// <param name="count">Rows to take.</param>
    /// <param name="target">[count, source.Columns], assigned; f32 on a processor.</param>
    /// <exception cref="ArgumentException">A row is outside the source (on a processor), or a type is none of f32 and bf16.</exception>
    public static void Forward(Device device, in MatrixView source, int* rows, int count, Elements target)
    {
        RowLaunch.CheckSizes(count, source.Columns);
        if (source.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"rows are taken from f32 and bf16, not from {source.Type.Label()}", nameof(source));
        }

        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, source, rows, count, target);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        for (int i = 0; i < count; i++)
        {
            if ((uint)rows[i] >= (uint)source.Rows)
            {
                throw new ArgumentException($"row {rows[i]} of a matrix of {source.Rows} rows was asked for", nameof(rows));
            }
        }

        var arguments = new Arguments { Source = source, Rows = rows, Target = target.Floats, Count = count };
        RowLaunch.Run(scope.Processor, &Body, &arguments, (long)count * source.Columns);
    }

    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers);
        CopyRows(a.Source, a.Rows, start, end, a.Target, VectorMath.WritesPastCaches(a.Target, a.Count, a.Source.Columns));
    }

    private struct Arguments
    {
        public MatrixView Source;
        public int* Rows;
        public float* Target;
        public int Count;
    }
}
