using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class RmsNorm
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(ForwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        bool pastCaches = a.Y != a.X && a.Y != a.Branch && VectorMath.WritesPastCaches(a.Y, a.Tokens, a.Width);
        for (int t = start; t < end; t++)
        {
            long offset = (long)t * a.Width;
            float* row = a.X + offset;
            float* ahead = row + a.Width, branchAhead = ahead;
            float squares;
            if (a.Branch is null)
            {
                squares = SumOfSquares(row, a.Width);
            }
            else
            {
                row = a.Updated + offset;
                branchAhead = a.Branch + offset + a.Width;
                squares = AddAndSumSquares(a.X + offset, a.Branch + offset, row, a.Width);
            }

            float scale = InverseRootMean(squares, row, a.Width, a.Epsilon);
            Normalise(row, a.Gain, a.Y + offset, scale, a.Width, ahead, branchAhead, pastCaches);
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
            s0 = Vector512.FusedMultiplyAdd(x0, x0, s0);
            s1 = Vector512.FusedMultiplyAdd(x1, x1, s1);
            s2 = Vector512.FusedMultiplyAdd(x2, x2, s2);
            s3 = Vector512.FusedMultiplyAdd(x3, x3, s3);
        }

        for (; i <= width - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(x + i);
            s0 = Vector512.FusedMultiplyAdd(v, v, s0);
        }

        if (i < width)
        {
            Vector512<float> v = VectorMath.LoadPart(x + i, width - i);
            s1 = Vector512.FusedMultiplyAdd(v, v, s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    // The same order of additions as SumOfSquares, so that the fused form gives the bits of addition, then Forward.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float AddAndSumSquares(float* residual, float* branch, float* updated, int width)
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            Vector512<float> x0 = Vector512.Load(residual + i) + Vector512.Load(branch + i);
            Vector512<float> x1 = Vector512.Load(residual + i + 16) + Vector512.Load(branch + i + 16);
            Vector512<float> x2 = Vector512.Load(residual + i + 32) + Vector512.Load(branch + i + 32);
            Vector512<float> x3 = Vector512.Load(residual + i + 48) + Vector512.Load(branch + i + 48);
            x0.Store(updated + i);
            x1.Store(updated + i + 16);
            x2.Store(updated + i + 32);
            x3.Store(updated + i + 48);
            s0 = Vector512.FusedMultiplyAdd(x0, x0, s0);
            s1 = Vector512.FusedMultiplyAdd(x1, x1, s1);
            s2 = Vector512.FusedMultiplyAdd(x2, x2, s2);
            s3 = Vector512.FusedMultiplyAdd(x3, x3, s3);
        }

        for (; i <= width - 16; i += 16)
        {
            Vector512<float> v = Vector512.Load(residual + i) + Vector512.Load(branch + i);
            v.Store(updated + i);
            s0 = Vector512.FusedMultiplyAdd(v, v, s0);
        }

        if (i < width)
        {
            Vector512<float> v = VectorMath.LoadPart(residual + i, width - i) + VectorMath.LoadPart(branch + i, width - i);
            VectorMath.StorePart(v, updated + i, width - i);
            s1 = Vector512.FusedMultiplyAdd(v, v, s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    // The row is in the first cache by now; memory is kept busy by asking for the next one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalise(
        float* x, float* gain, float* y, float scale, int width, float* ahead, float* branchAhead, bool pastCaches)
    {
        Vector512<float> factor = Vector512.Create(scale);
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            VectorMath.Prefetch(ahead + i);
            VectorMath.Prefetch(branchAhead + i);
            VectorMath.Store(Vector512.Load(x + i) * factor * Vector512.Load(gain + i), y + i, pastCaches);
        }

        for (; i < width; i++)
        {
            y[i] = x[i] * scale * gain[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(BackwardArguments*)context;
        int grain = a.Partials is null ? 1 : RowLaunch.BlockTokens;
        bool pastCaches = !a.Accumulate && a.GradX != a.GradY && VectorMath.WritesPastCaches(a.GradX, a.Tokens, a.Width);
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, grain);
        for (int t = start; t < end; t++)
        {
            long offset = (long)t * a.Width;
            float scale = a.InverseRms[t];
            if (a.Partials is not null)
            {
                float* partial = a.Partials + ((long)(t / RowLaunch.BlockTokens) * a.Width);
                if (t % RowLaunch.BlockTokens == 0)
                {
                    new Span<float>(partial, a.Width).Clear();
                }

                GainRow(a.GradY + offset, a.X + offset, partial, scale, a.Width);
            }

            float mean = Projection(a.GradY + offset, a.X + offset, a.Gain, scale, a.Width) / a.Width;
            InputRow(a.GradY + offset, a.X + offset, a.Gain, a.GradX + offset, scale, mean, a.Accumulate, pastCaches, a.Width);
        }
    }

    // Σ gradY · gain · x̂
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Projection(float* gradY, float* x, float* gain, float scale, int width)
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(gradY + i) * Vector512.Load(gain + i), Vector512.Load(x + i), s0);
            s1 = Vector512.FusedMultiplyAdd(
                Vector512.Load(gradY + i + 16) * Vector512.Load(gain + i + 16), Vector512.Load(x + i + 16), s1);
            s2 = Vector512.FusedMultiplyAdd(
                Vector512.Load(gradY + i + 32) * Vector512.Load(gain + i + 32), Vector512.Load(x + i + 32), s2);
            s3 = Vector512.FusedMultiplyAdd(
                Vector512.Load(gradY + i + 48) * Vector512.Load(gain + i + 48), Vector512.Load(x + i + 48), s3);
        }

        for (; i <= width - 16; i += 16)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.Load(gradY + i) * Vector512.Load(gain + i), Vector512.Load(x + i), s0);
        }

        if (i < width)
        {
            int rest = width - i;
            Vector512<float> d = VectorMath.LoadPart(gradY + i, rest) * VectorMath.LoadPart(gain + i, rest);
            s1 = Vector512.FusedMultiplyAdd(d, VectorMath.LoadPart(x + i, rest), s1);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3)) * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void InputRow(
        float* gradY, float* x, float* gain, float* gradX, float scale, float mean, bool accumulate, bool pastCaches, int width)
    {
        Vector512<float> factor = Vector512.Create(scale), shift = Vector512.Create(-mean);
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            VectorMath.Prefetch(x + i + width);
            VectorMath.Prefetch(gradY + i + width);
            Vector512<float> normal = Vector512.Load(x + i) * factor;
            Vector512<float> d = Vector512.FusedMultiplyAdd(
                normal, shift, Vector512.Load(gradY + i) * Vector512.Load(gain + i)) * factor;
            if (accumulate)
            {
                d += Vector512.Load(gradX + i);
            }

            VectorMath.Store(d, gradX + i, pastCaches);
        }

        for (; i < width; i++)
        {
            float d = MathF.FusedMultiplyAdd(x[i] * scale, -mean, gradY[i] * gain[i]) * scale;
            gradX[i] = accumulate ? gradX[i] + d : d;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GainRow(float* gradY, float* x, float* partial, float scale, int width)
    {
        Vector512<float> factor = Vector512.Create(scale);
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            Vector512.FusedMultiplyAdd(
                Vector512.Load(gradY + i), Vector512.Load(x + i) * factor, Vector512.Load(partial + i)).Store(partial + i);
        }

        for (; i < width; i++)
        {
            partial[i] = MathF.FusedMultiplyAdd(gradY[i], x[i] * scale, partial[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GainBody(void* context, int worker, int workers)
    {
        ref var a = ref *(BackwardArguments*)context;
        var (start, end) = WorkerPool.Share(a.Width, worker, workers, 16);
        int blocks = RowLaunch.Blocks(a.Tokens, RowLaunch.BlockTokens);
        for (int block = 0; block < blocks; block++)
        {
            Residual.AddInto(a.GradGain + start, a.Partials + ((long)block * a.Width) + start, end - start);
        }
    }
}
