using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Embedding
{
    // Rows between those that are added to and those whose lines are asked for.
    private const int RowsAhead = 2;

    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(ForwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        if (!a.Table.Type.IsGrouped())
        {
            RowGather.CopyRows(a.Table, a.Ids, start, end, a.Output, VectorMath.WritesPastCaches(a.Output, a.Tokens, a.Table.Columns));
            return;
        }

        for (int t = start; t < end; t++)
        {
            GroupedMatrix.LoadRow(a.Table, a.Ids[t], a.Output + ((long)t * a.Table.Columns));
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
        int t = 0, width = end - start;
        for (; t + 1 < a.Tokens; t += 2, gradient += 2L * a.Width)
        {
            float* first = table + ((long)a.Ids[t] * a.Width), second = table + ((long)a.Ids[t + 1] * a.Width);
            RowGather.AskForPages((byte*)table, (long)a.Ids[Math.Min(t + RowGather.PagesAhead, a.Tokens - 1)] * a.Width, width, sizeof(float));
            RowGather.AskForPages((byte*)table, (long)a.Ids[Math.Min(t + 1 + RowGather.PagesAhead, a.Tokens - 1)] * a.Width, width, sizeof(float));
            float* nextFirst = table + ((long)a.Ids[Math.Min(t + RowsAhead, a.Tokens - 1)] * a.Width);
            float* nextSecond = table + ((long)a.Ids[Math.Min(t + 1 + RowsAhead, a.Tokens - 1)] * a.Width);
            if (first != second)
            {
                AddTwoRows(first, second, gradient, a.Width, width, nextFirst, nextSecond);
                continue;
            }

            Residual.AddInto(first, gradient, width);
            Residual.AddInto(first, gradient + a.Width, width);
        }

        if (t < a.Tokens)
        {
            Residual.AddInto(table + ((long)a.Ids[t] * a.Width), gradient, width);
        }
    }

    // Two different rows at a time: what the processor asks for beyond the end of a row, unasked, comes half as often.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTwoRows(float* first, float* second, float* source, long stride, int count, float* nextFirst, float* nextSecond)
    {
        int i = 0;
        float* other = source + stride;
        for (; i <= count - 16; i += 16)
        {
            VectorMath.Prefetch(nextFirst + i);
            VectorMath.Prefetch(nextSecond + i);
            VectorMath.PrefetchOnce(source + (RowsAhead * stride) + i);
            VectorMath.PrefetchOnce(other + (RowsAhead * stride) + i);
            Vector512<float> a = Vector512.Load(first + i) + Vector512.Load(source + i);
            Vector512<float> b = Vector512.Load(second + i) + Vector512.Load(other + i);
            a.Store(first + i);
            b.Store(second + i);
        }

        for (; i < count; i++)
        {
            first[i] += source[i];
            second[i] += other[i];
        }
    }
}
