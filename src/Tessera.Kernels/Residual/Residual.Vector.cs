using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Residual
{
    /// <summary>target += source on the calling thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddInto(float* target, float* source, long count)
    {
        long i = 0;
        for (; i <= count - 16; i += 16)
        {
            (Vector512.Load(target + i) + Vector512.Load(source + i)).Store(target + i);
        }

        for (; i < count; i++)
        {
            target[i] += source[i];
        }
    }

    private static void AddBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers, VectorMath.Lanes);
        bool pastCaches = a.Result != a.A && a.Result != a.B &&
            VectorMath.WritesPastCaches(a.Result, a.Count / VectorMath.Lanes, VectorMath.Lanes);
        AddRange(a.A + start, a.B + start, a.Result + start, end - start, pastCaches);
    }

    private static void ScaleBody(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers, VectorMath.Lanes);
        ScaleRange(a.Result + start, a.Factor, end - start);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRange(float* a, float* b, float* sum, long count, bool pastCaches)
    {
        long i = 0;
        for (; i <= count - 64; i += 64)
        {
            float* ahead = a + i + VectorMath.FloatsAhead, other = b + i + VectorMath.FloatsAhead;
            VectorMath.PrefetchOnce(ahead);
            VectorMath.PrefetchOnce(ahead + 16);
            VectorMath.PrefetchOnce(ahead + 32);
            VectorMath.PrefetchOnce(ahead + 48);
            VectorMath.PrefetchOnce(other);
            VectorMath.PrefetchOnce(other + 16);
            VectorMath.PrefetchOnce(other + 32);
            VectorMath.PrefetchOnce(other + 48);
            VectorMath.Store(Vector512.Load(a + i) + Vector512.Load(b + i), sum + i, pastCaches);
            VectorMath.Store(Vector512.Load(a + i + 16) + Vector512.Load(b + i + 16), sum + i + 16, pastCaches);
            VectorMath.Store(Vector512.Load(a + i + 32) + Vector512.Load(b + i + 32), sum + i + 32, pastCaches);
            VectorMath.Store(Vector512.Load(a + i + 48) + Vector512.Load(b + i + 48), sum + i + 48, pastCaches);
        }

        for (; i < count; i++)
        {
            sum[i] = a[i] + b[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScaleRange(float* target, float factor, long count)
    {
        Vector512<float> f = Vector512.Create(factor);
        long i = 0;
        for (; i <= count - 32; i += 32)
        {
            (Vector512.Load(target + i) * f).Store(target + i);
            (Vector512.Load(target + i + 16) * f).Store(target + i + 16);
        }

        for (; i < count; i++)
        {
            target[i] *= factor;
        }
    }
}
