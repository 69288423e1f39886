using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The backward. What a row needs from itself as a whole, Σ gradY·gain·x, is summed while the gradient of the row before it is
/// written, so that memory is read and written all the time; the sum of the gain's gradient rides along, two rows at a time.
/// </content>
public static unsafe partial class RmsNorm
{
    // Nearer than in other kernels: two rows of two tensors, the gain and a partial row fill the first-level cache already.
    private const int FloatsAhead = 512;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(BackwardArguments*)context;
        int grain = a.Partials is null ? 1 : RowLaunch.BlockTokens, width = a.Width;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, grain);
        if (start == end)
        {
            return;
        }

        long offset = (long)start * width;
        float projection = Project(a.GradY + offset, a.X + offset, a.Gain, null, a.InverseRms[start], 0, width, default);
        for (int t = start; t < end; t++, offset += width)
        {
            var row = new InputRow
            {
                GradY = a.GradY + offset,
                X = a.X + offset,
                Gain = a.Gain,
                GradX = a.GradX + offset,
                Scale = a.InverseRms[t],
                Mean = projection * a.InverseRms[t] / width,
                Accumulate = a.Accumulate,
            };

            // The rows of a pair are in one block, as shares and blocks begin with an even row.
            float* partial = (t & 1) == 0 ? PartialRow(ref a, t) : null;
            if (t + 1 < end)
            {
                projection = WriteAndProject(&row, partial, a.InverseRms[t + 1], width);
            }
            else
            {
                AddToPartial(&row, partial, 0, width);
                Write(&row, 0, width);
            }
        }
    }

    /// <summary>Where a row adds its share of the gain's gradient, cleared where it is the first to do so; null for a frozen gain.</summary>
    private static float* PartialRow(ref BackwardArguments a, int t)
    {
        if (a.Partials is null)
        {
            return null;
        }

        float* partial = a.Partials + ((long)(t / RowLaunch.BlockTokens) * a.Width);
        if (t % RowLaunch.BlockTokens == 0)
        {
            new Span<float>(partial, a.Width).Clear();
        }

        return partial;
    }

    /// <summary>Σ gradY·gain·x from element <paramref name="i"/> on, added to four sums; gradY·x·scale goes to the partial row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Project(float* gradY, float* x, float* gain, float* partial, float scale, int i, int width, FourSums sums)
    {
        Vector512<float> s0 = sums.S0, s1 = sums.S1, s2 = sums.S2, s3 = sums.S3, factor = Vector512.Create(scale);
        for (; i <= width - 64; i += 64)
        {
            s0 = Project(gradY + i, x + i, gain + i, partial is null ? null : partial + i, factor, s0);
            s1 = Project(gradY + i + 16, x + i + 16, gain + i + 16, partial is null ? null : partial + i + 16, factor, s1);
            s2 = Project(gradY + i + 32, x + i + 32, gain + i + 32, partial is null ? null : partial + i + 32, factor, s2);
            s3 = Project(gradY + i + 48, x + i + 48, gain + i + 48, partial is null ? null : partial + i + 48, factor, s3);
        }

        for (; i <= width - 16; i += 16)
        {
            s0 = Project(gradY + i, x + i, gain + i, partial is null ? null : partial + i, factor, s0);
        }

        if (i < width)
        {
            int rest = width - i;
            Vector512<float> gradient = VectorMath.LoadPart(gradY + i, rest), value = VectorMath.LoadPart(x + i, rest);
            s1 = Vector512.MultiplyAddEstimate(gradient * VectorMath.LoadPart(gain + i, rest), value, s1);
            if (partial is not null)
            {
                Vector512<float> sum = VectorMath.LoadPart(partial + i, rest);
                VectorMath.StorePart(Vector512.MultiplyAddEstimate(gradient, value * factor, sum), partial + i, rest);
            }
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Project(
        float* gradY, float* x, float* gain, float* partial, Vector512<float> factor, Vector512<float> sum)
    {
        Vector512<float> gradient = Vector512.Load(gradY), value = Vector512.Load(x);
        if (partial is not null)
        {
            Vector512.MultiplyAddEstimate(gradient, value * factor, Vector512.Load(partial)).Store(partial);
        }

        return Vector512.MultiplyAddEstimate(gradient * Vector512.Load(gain), value, sum);
    }

    /// <summary>
    /// Writes one row's gradient and projects the row behind it, with the additions in the order of a single row. Where there is a
    /// partial row, both add their share of the gain's gradient, one after the other.
    /// </summary>
    private static float WriteAndProject(InputRow* row, float* partial, float nextScale, int width)
    {
        int whole = width & -(4 * VectorMath.Lanes);
        FourSums sums = default;
        if (row->Accumulate)
        {
            WriteAndProject<Added>(row, partial, nextScale, width, whole, &sums);
        }
        else
        {
            WriteAndProject<ThroughCaches>(row, partial, nextScale, width, whole, &sums);
        }

        AddToPartial(row, partial, whole, width);
        Write(row, whole, width);
        return Project(row->GradY + width, row->X + width, row->Gain, partial, nextScale, whole, width, sums);
    }

    /// <summary>The same up to element <paramref name="end"/>, four vectors a turn: one loop for each way to store.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteAndProject<TStore>(InputRow* row, float* partial, float nextScale, int width, int end, FourSums* sums)
        where TStore : struct, IStore
    {
        float* gradY = row->GradY, x = row->X, gain = row->Gain, gradX = row->GradX, next = x + width, nextGradient = gradY + width;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        Vector512<float> nextFactor = Vector512.Create(nextScale);
        Vector512<float> factor = Vector512.Create(row->Scale), shift = Vector512.Create(-row->Mean);
        Vector512<float> d0, d1, d2, d3, p0, p1, p2, p3;

        // All loads of a turn come before its stores: rows are often a multiple of 4 KiB apart, and a load that follows a store
        // with the same last twelve bits of its address waits for it, which took a third of the speed.
        if (partial is not null)
        {
            for (long i = 0; i < end; i += 64)
            {
                AskAhead(nextGradient + i, next + i);
                (d0, p0) = BothGradients(gradY + i, x + i, gain + i, partial + i, factor, shift);
                (p0, s0) = ProjectBoth(nextGradient + i, next + i, gain + i, p0, nextFactor, s0);
                (d1, p1) = BothGradients(gradY + i + 16, x + i + 16, gain + i + 16, partial + i + 16, factor, shift);
                (p1, s1) = ProjectBoth(nextGradient + i + 16, next + i + 16, gain + i + 16, p1, nextFactor, s1);
                (d2, p2) = BothGradients(gradY + i + 32, x + i + 32, gain + i + 32, partial + i + 32, factor, shift);
                (p2, s2) = ProjectBoth(nextGradient + i + 32, next + i + 32, gain + i + 32, p2, nextFactor, s2);
                (d3, p3) = BothGradients(gradY + i + 48, x + i + 48, gain + i + 48, partial + i + 48, factor, shift);
                (p3, s3) = ProjectBoth(nextGradient + i + 48, next + i + 48, gain + i + 48, p3, nextFactor, s3);
                p0.Store(partial + i);
                p1.Store(partial + i + 16);
                p2.Store(partial + i + 32);
                p3.Store(partial + i + 48);
                TStore.Store(d0, gradX + i);
                TStore.Store(d1, gradX + i + 16);
                TStore.Store(d2, gradX + i + 32);
                TStore.Store(d3, gradX + i + 48);
            }
        }
        else
        {
            for (long i = 0; i < end; i += 64)
            {
                AskAhead(nextGradient + i, next + i);
                d0 = InputGradient(gradY + i, x + i, gain + i, factor, shift);
                s0 = ProjectOnly(nextGradient + i, next + i, gain + i, s0);
                d1 = InputGradient(gradY + i + 16, x + i + 16, gain + i + 16, factor, shift);
                s1 = ProjectOnly(nextGradient + i + 16, next + i + 16, gain + i + 16, s1);
                d2 = InputGradient(gradY + i + 32, x + i + 32, gain + i + 32, factor, shift);
                s2 = ProjectOnly(nextGradient + i + 32, next + i + 32, gain + i + 32, s2);
                d3 = InputGradient(gradY + i + 48, x + i + 48, gain + i + 48, factor, shift);
                s3 = ProjectOnly(nextGradient + i + 48, next + i + 48, gain + i + 48, s3);
                TStore.Store(d0, gradX + i);
                TStore.Store(d1, gradX + i + 16);
                TStore.Store(d2, gradX + i + 32);
                TStore.Store(d3, gradX + i + 48);
            }
        }

        *sums = new FourSums { S0 = s0, S1 = s1, S2 = s2, S3 = s3 };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AskAhead(float* gradY, float* x)
    {
        gradY += FloatsAhead;
        x += FloatsAhead;
        VectorMath.Prefetch(gradY);
        VectorMath.Prefetch(x);
        VectorMath.Prefetch(gradY + 16);
        VectorMath.Prefetch(x + 16);
        VectorMath.Prefetch(gradY + 32);
        VectorMath.Prefetch(x + 32);
        VectorMath.Prefetch(gradY + 48);
        VectorMath.Prefetch(x + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Partial, Vector512<float> Sum) ProjectBoth(
        float* gradY, float* x, float* gain, Vector512<float> partial, Vector512<float> factor, Vector512<float> sum)
    {
        Vector512<float> gradient = Vector512.Load(gradY), value = Vector512.Load(x);
        return (
            Vector512.MultiplyAddEstimate(gradient, value * factor, partial),
            Vector512.MultiplyAddEstimate(gradient * Vector512.Load(gain), value, sum));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> ProjectOnly(float* gradY, float* x, float* gain, Vector512<float> sum)
    {
        return Vector512.MultiplyAddEstimate(Vector512.Load(gradY) * Vector512.Load(gain), Vector512.Load(x), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Write(InputRow* row, int i, int width)
    {
        Vector512<float> factor = Vector512.Create(row->Scale), shift = Vector512.Create(-row->Mean);
        for (; i <= width - 16; i += 16)
        {
            Vector512<float> d = InputGradient(row->GradY + i, row->X + i, row->Gain + i, factor, shift);
            d = row->Accumulate ? d + Vector512.Load(row->GradX + i) : d;
            d.Store(row->GradX + i);
        }

        for (; i < width; i++)
        {
            float d = MathF.FusedMultiplyAdd(row->X[i] * row->Scale, -row->Mean, row->GradY[i] * row->Gain[i]) * row->Scale;
            row->GradX[i] = row->Accumulate ? row->GradX[i] + d : d;
        }
    }

    /// <summary>The gradient of the input, and the sum of the gain's gradient with this row's share.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Input, Vector512<float> Partial) BothGradients(
        float* gradY, float* x, float* gain, float* partial, Vector512<float> factor, Vector512<float> shift)
    {
        Vector512<float> gradient = Vector512.Load(gradY), normal = Vector512.Load(x) * factor;
        return (
            Vector512.MultiplyAddEstimate(normal, shift, gradient * Vector512.Load(gain)) * factor,
            Vector512.MultiplyAddEstimate(gradient, normal, Vector512.Load(partial)));
    }

    /// <summary>A row's share of the gain's gradient from element <paramref name="i"/> on, where there is a partial row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddToPartial(InputRow* row, float* partial, int i, int width)
    {
        if (partial is null)
        {
            return;
        }

        Vector512<float> factor = Vector512.Create(row->Scale);
        for (; i <= width - 16; i += 16)
        {
            Vector512<float> normal = Vector512.Load(row->X + i) * factor;
            Vector512.MultiplyAddEstimate(Vector512.Load(row->GradY + i), normal, Vector512.Load(partial + i)).Store(partial + i);
        }

        if (i < width)
        {
            int rest = width - i;
            Vector512<float> normal = VectorMath.LoadPart(row->X + i, rest) * factor;
            VectorMath.StorePart(
                Vector512.MultiplyAddEstimate(VectorMath.LoadPart(row->GradY + i, rest), normal, VectorMath.LoadPart(partial + i, rest)),
                partial + i, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> InputGradient(float* gradY, float* x, float* gain, Vector512<float> factor, Vector512<float> shift)
    {
        Vector512<float> weighted = Vector512.Load(gradY) * Vector512.Load(gain);
        return Vector512.MultiplyAddEstimate(Vector512.Load(x) * factor, shift, weighted) * factor;
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

    /// <summary>One row whose gradient is to be written.</summary>
    private struct InputRow
    {
        public float* GradY;
        public float* X;
        public float* Gain;
        public float* GradX;
        public float Scale;
        public float Mean;
        public bool Accumulate;
    }

    private struct FourSums
    {
        public Vector512<float> S0;
        public Vector512<float> S1;
        public Vector512<float> S2;
        public Vector512<float> S3;
    }
}
