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
        for (int t = 0; t < a.Tokens; t++, gradient += a.Width)
        {
            int next = Math.Min(t + RowGather.RowsAhead, a.Tokens - 1);
            RowGather.AskForPages((byte*)table, (long)a.Ids[Math.Min(t + RowGather.PagesAhead, a.Tokens - 1)] * a.Width, end - start, sizeof(float));
            AddRow(
                table + ((long)a.Ids[t] * a.Width), gradient, end - start, table + ((long)a.Ids[next] * a.Width), gradient + (RowGather.RowsAhead * a.Width));
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
