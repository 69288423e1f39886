using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The forward. A row is read from memory while the row before it is written, in one loop: two loops, one that reads and one that
/// writes, left the memory idle for a quarter of the time.
/// </content>
public static unsafe partial class RmsNorm
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(ForwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        if (start == end)
        {
            return;
        }

        int width = a.Width;
        bool pastCaches = a.Y != a.X && a.Y != a.Branch && VectorMath.WritesPastCaches(a.Y, a.Tokens, width);
        float* normalised = a.Branch is null ? a.X : a.Sum;
        long offset = (long)start * width;
        float squares = a.Branch is null
            ? SumOfSquares(a.X + offset, width)
            : AddAndSumSquares(a.X + offset, a.Branch + offset, a.Sum + offset, width);
        for (int t = start; t < end; t++, offset += width)
        {
            float* row = normalised + offset;
            float scale = InverseRootMean(squares, row, width, a.Epsilon);
            long next = offset + width;
            if (t + 1 == end)
            {
                Normalise(row, a.Gain, a.Y + offset, scale, 0, width, pastCaches);
            }
            else if (a.Branch is null)
            {
                squares = NormaliseAndSum(row, a.Gain, a.Y + offset, scale, a.X + next, width, pastCaches);
            }
            else
            {
                squares = NormaliseAndAdd(row, a.Gain, a.Y + offset, scale, a.X + next, a.Branch + next, a.Sum + next, width, pastCaches);
            }

            if (a.InverseRms is not null)
            {
                a.InverseRms[t] = scale;
            }
        }
    }

    private static float InverseRootMean(float squares, float* row, int width, float epsilon)
    {
        double sum = squares;
        if (!float.IsFinite(squares))
        {
            // Elements beyond 1e19 overflow a float when squared; double has room for the square of any float.
            sum = 0;
            for (int i = 0; i < width; i++)
            {
                sum += (double)row[i] * row[i];
            }
        }

        return (float)(1.0 / Math.Sqrt((sum / width) + epsilon));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOfSquares(float* x, int width)
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            Vector512<float> x0 = Vector512.Load(x + i), x1 = Vector512.Load(x + i + 16);
            Vector512<float> x2 = Vector512.Load(x + i + 32), x3 = Vector512.Load(x + i + 48);
            s0 = Vector512.MultiplyAddEstimate(x0, x0, s0);
            s1 = Vector512.MultiplyAddEstimate(x1, x1, s1);
            s2 = Vector512.MultiplyAddEstimate(x2, x2, s2);
            s3 = Vector512.MultiplyAddEstimate(x3, x3, s3);
        }

        for (; i <= width - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(x + i);
            s0 = Vector512.MultiplyAddEstimate(v, v, s0);
        }

        if (i < width)
        {
            Vector512<float> v = VectorMath.LoadPart(x + i, width - i);
            s1 = Vector512.MultiplyAddEstimate(v, v, s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    // The same order of additions as SumOfSquares, so that the fused form gives the bits of addition, then Forward.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float AddAndSumSquares(float* residual, float* branch, float* sum, int width)
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            Vector512<float> x0 = Vector512.Load(residual + i) + Vector512.Load(branch + i);
            Vector512<float> x1 = Vector512.Load(residual + i + 16) + Vector512.Load(branch + i + 16);
            Vector512<float> x2 = Vector512.Load(residual + i + 32) + Vector512.Load(branch + i + 32);
            Vector512<float> x3 = Vector512.Load(residual + i + 48) + Vector512.Load(branch + i + 48);
            x0.Store(sum + i);
            x1.Store(sum + i + 16);
            x2.Store(sum + i + 32);
            x3.Store(sum + i + 48);
            s0 = Vector512.MultiplyAddEstimate(x0, x0, s0);
            s1 = Vector512.MultiplyAddEstimate(x1, x1, s1);
            s2 = Vector512.MultiplyAddEstimate(x2, x2, s2);
            s3 = Vector512.MultiplyAddEstimate(x3, x3, s3);
        }

        for (; i <= width - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(residual + i) + Vector512.Load(branch + i);
            v.Store(sum + i);
            s0 = Vector512.MultiplyAddEstimate(v, v, s0);
        }

        if (i < width)
        {
            Vector512<float> v = VectorMath.LoadPart(residual + i, width - i) + VectorMath.LoadPart(branch + i, width - i);
            VectorMath.StorePart(v, sum + i, width - i);
            s1 = Vector512.MultiplyAddEstimate(v, v, s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    /// <summary>Normalises a row from element <paramref name="i"/> on, which is then near.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalise(float* x, float* gain, float* y, float scale, int i, int width, bool pastCaches)
    {
        Vector512<float> factor = Vector512.Create(scale);
        for (; i <= width - 16; i += 16)
        {
            VectorMath.Store(Vector512.Load(x + i) * factor * Vector512.Load(gain + i), y + i, pastCaches);
        }

        for (; i < width; i++)
        {
            y[i] = x[i] * scale * gain[i];
        }
    }

    private static float NormaliseAndSum(float* x, float* gain, float* y, float scale, float* next, int width, bool pastCaches) => pastCaches
        ? NormaliseAndSum<PastCaches>(x, gain, y, scale, next, width)
        : NormaliseAndSum<ThroughCaches>(x, gain, y, scale, next, width);

    // The order of additions of SumOfSquares.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float NormaliseAndSum<TStore>(float* x, float* gain, float* y, float scale, float* next, int width)
        where TStore : struct, IStore
    {
        Vector512<float> factor = Vector512.Create(scale);
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            float* ahead = next + i + VectorMath.FloatsAhead;
            VectorMath.Prefetch(ahead);
            VectorMath.Prefetch(ahead + 16);
            VectorMath.Prefetch(ahead + 32);
            VectorMath.Prefetch(ahead + 48);
            Vector512<float> x0 = Vector512.Load(next + i), x1 = Vector512.Load(next + i + 16);
            Vector512<float> x2 = Vector512.Load(next + i + 32), x3 = Vector512.Load(next + i + 48);
            s0 = Vector512.MultiplyAddEstimate(x0, x0, s0);
            s1 = Vector512.MultiplyAddEstimate(x1, x1, s1);
            s2 = Vector512.MultiplyAddEstimate(x2, x2, s2);
            s3 = Vector512.MultiplyAddEstimate(x3, x3, s3);
            NormaliseFour<TStore>(x + i, gain + i, y + i, factor);
        }

        Normalise(x, gain, y, scale, i, width, typeof(TStore) == typeof(PastCaches));
        for (; i <= width - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(next + i);
            s0 = Vector512.MultiplyAddEstimate(v, v, s0);
        }

        if (i < width)
        {
            Vector512<float> v = VectorMath.LoadPart(next + i, width - i);
            s1 = Vector512.MultiplyAddEstimate(v, v, s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    private static float NormaliseAndAdd(
        float* x, float* gain, float* y, float scale, float* residual, float* branch, float* sum, int width, bool pastCaches) => pastCaches
        ? NormaliseAndAdd<PastCaches>(x, gain, y, scale, residual, branch, sum, width)
        : NormaliseAndAdd<ThroughCaches>(x, gain, y, scale, residual, branch, sum, width);

    // The order of additions of AddAndSumSquares.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float NormaliseAndAdd<TStore>(
        float* x, float* gain, float* y, float scale, float* residual, float* branch, float* sum, int width)
        where TStore : struct, IStore
    {
        Vector512<float> factor = Vector512.Create(scale);
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            float* ahead = residual + i + VectorMath.FloatsAhead, branchAhead = branch + i + VectorMath.FloatsAhead;
            VectorMath.Prefetch(ahead);
            VectorMath.Prefetch(ahead + 16);
            VectorMath.Prefetch(ahead + 32);
            VectorMath.Prefetch(ahead + 48);
            VectorMath.PrefetchOnce(branchAhead);
            VectorMath.PrefetchOnce(branchAhead + 16);
            VectorMath.PrefetchOnce(branchAhead + 32);
            VectorMath.PrefetchOnce(branchAhead + 48);
            Vector512<float> x0 = Vector512.Load(residual + i) + Vector512.Load(branch + i);
            Vector512<float> x1 = Vector512.Load(residual + i + 16) + Vector512.Load(branch + i + 16);
            Vector512<float> x2 = Vector512.Load(residual + i + 32) + Vector512.Load(branch + i + 32);
            Vector512<float> x3 = Vector512.Load(residual + i + 48) + Vector512.Load(branch + i + 48);
            x0.Store(sum + i);
            x1.Store(sum + i + 16);
            x2.Store(sum + i + 32);
            x3.Store(sum + i + 48);
            s0 = Vector512.MultiplyAddEstimate(x0, x0, s0);
            s1 = Vector512.MultiplyAddEstimate(x1, x1, s1);
            s2 = Vector512.MultiplyAddEstimate(x2, x2, s2);
            s3 = Vector512.MultiplyAddEstimate(x3, x3, s3);
            NormaliseFour<TStore>(x + i, gain + i, y + i, factor);
        }

        Normalise(x, gain, y, scale, i, width, typeof(TStore) == typeof(PastCaches));
        for (; i <= width - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(residual + i) + Vector512.Load(branch + i);
            v.Store(sum + i);
            s0 = Vector512.MultiplyAddEstimate(v, v, s0);
        }

        if (i < width)
        {
            Vector512<float> v = VectorMath.LoadPart(residual + i, width - i) + VectorMath.LoadPart(branch + i, width - i);
            VectorMath.StorePart(v, sum + i, width - i);
            s1 = Vector512.MultiplyAddEstimate(v, v, s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void NormaliseFour<TStore>(float* x, float* gain, float* y, Vector512<float> factor)
        where TStore : struct, IStore
    {
        TStore.Store(Vector512.Load(x) * factor * Vector512.Load(gain), y);
        TStore.Store(Vector512.Load(x + 16) * factor * Vector512.Load(gain + 16), y + 16);
        TStore.Store(Vector512.Load(x + 32) * factor * Vector512.Load(gain + 32), y + 32);
        TStore.Store(Vector512.Load(x + 48) * factor * Vector512.Load(gain + 48), y + 48);
    }
}
