using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rows of a table lie anywhere, so a row is asked for while the row before it is worked on.</content>
public static unsafe partial class Embedding
{
    private const int RowsAhead = 2;

    // The address of a page must be found before a line of it can be asked for, and in a large table that alone takes as long as
    // several rows.
    private const int PagesAhead = 6;
    private const int PageBytes = 4096;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(ForwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        int width = a.Table.Columns;
        bool pastCaches = VectorMath.WritesPastCaches(a.Output, a.Tokens, width);
        for (int t = start; t < end; t++)
        {
            long row = a.Ids[t] * a.Table.Stride, next = a.Ids[Math.Min(t + RowsAhead, end - 1)] * a.Table.Stride;
            float* output = a.Output + ((long)t * width);
            if (a.Table.Type.IsGrouped())
            {
                GroupedMatrix.LoadRow(a.Table, a.Ids[t], output);
                continue;
            }

            AskForPages((byte*)a.Table.Address, a.Ids[Math.Min(t + PagesAhead, end - 1)] * a.Table.Stride, width, a.Table.Type.Bytes());
            if (a.Table.Type == DType.F32)
            {
                VectorMath.CopyRow(a.Table.Floats + row, output, width, a.Table.Floats + next, pastCaches);
            }
            else
            {
                Conversion.WidenRange(a.Table.Halves + row, output, width, a.Table.Halves + next, pastCaches && width % 32 == 0);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AskForPages(byte* table, long element, int count, int elementBytes)
    {
        byte* row = table + (element * elementBytes);
        for (int i = 0; i < count * elementBytes; i += PageBytes)
        {
            VectorMath.Prefetch(row + i);
        }
    }

    // Each worker walks all tokens and adds its own columns: no two workers touch one element, and no sorting is needed.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(BackwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Width, worker, workers, VectorMath.Lanes);
        float* table = a.GradTable + start;
        float* gradient = a.GradOutput + start;
        for (int t = 0; t < a.Tokens; t++, gradient += a.Width)
        {
            int next = Math.Min(t + RowsAhead, a.Tokens - 1);
            AskForPages((byte*)table, (long)a.Ids[Math.Min(t + PagesAhead, a.Tokens - 1)] * a.Width, end - start, sizeof(float));
            AddRow(
                table + ((long)a.Ids[t] * a.Width), gradient, end - start, table + ((long)a.Ids[next] * a.Width), gradient + (RowsAhead * a.Width));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRow(float* target, float* source, int count, float* nextTarget, float* nextSource)
    {
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            VectorMath.Prefetch(nextTarget + i);
            VectorMath.PrefetchOnce(nextSource + i);
            (Vector512.Load(target + i) + Vector512.Load(source + i)).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] += source[i];
        }
    }
}
