using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Embedding
{
    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(ForwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        int width = a.Table.Columns;
        for (int t = start; t < end; t++)
        {
            long row = a.Ids[t] * a.Table.Stride;
            float* output = a.Output + ((long)t * width);
            if (a.Table.Type.IsGrouped())
            {
                GroupedMatrix.LoadRow(a.Table, a.Ids[t], output);
            }
            else if (a.Table.Type == DType.F32)
            {
                new ReadOnlySpan<float>(a.Table.Floats + row, width).CopyTo(new Span<float>(output, width));
            }
            else
            {
                Widen(a.Table.Halves + row, output, width);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen(ushort* source, float* target, int count)
    {
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            Vector256<ushort> halves = Vector256.Load(source + i);
            Vector512<uint> words = Vector512.Create(Vector256.WidenLower(halves), Vector256.WidenUpper(halves));
            (words << 16).AsSingle().Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] = Bf16.Widen(source[i]);
        }
    }

    // Each worker walks all tokens and adds its own columns: no two workers touch one element, and no sorting is needed.
    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(BackwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Width, worker, workers, VectorMath.Lanes);
        for (int t = 0; t < a.Tokens; t++)
        {
            Residual.AddInto(
                a.GradTable + ((long)a.Ids[t] * a.Width) + start, a.GradOutput + ((long)t * a.Width) + start, end - start);
        }
    }
}
