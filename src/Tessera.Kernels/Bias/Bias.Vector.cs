using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Bias
{
    /// <summary>target += source on the calling thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddInto(float* target, float* source, int count)
    {
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            (Vector512.Load(target + i) + Vector512.Load(source + i)).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] += source[i];
        }
    }

    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            AddInto(a.Rows + ((long)t * a.Width), a.Bias, a.Width);
        }
    }

    private static void PartialBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, RowLaunch.BlockTokens);
        for (int t = start; t < end; t++)
        {
            float* partial = a.Partials + ((long)(t / RowLaunch.BlockTokens) * a.Width);
            float* row = a.Rows + ((long)t * a.Width);
            if (t % RowLaunch.BlockTokens == 0)
            {
                new Span<float>(row, a.Width).CopyTo(new Span<float>(partial, a.Width));
                continue;
            }

            AddInto(partial, row, a.Width);
        }
    }

    private static void SumBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Width, worker, workers, VectorMath.Lanes);
        int blocks = RowLaunch.Blocks(a.Tokens, RowLaunch.BlockTokens);
        for (int block = 0; block < blocks; block++)
        {
            AddInto(a.Bias + start, a.Partials + ((long)block * a.Width) + start, end - start);
        }
    }
}
