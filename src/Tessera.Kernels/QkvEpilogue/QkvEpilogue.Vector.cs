using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The forward. A row stays in the first-level cache for bias, norm and rotation. Where half a head is whole vectors of 16, norm
/// and rotation share their loads and stores; other heads take one step after the other.
/// </content>
public static unsafe partial class QkvEpilogue
{
    // Heads whose statistics are found before any of them is written. A head's sum, square root and division take longer than
    // its memory; sixteen heads' are one vector, and while they are rotated the next sixteen come from memory.
    private const int HeadGroup = VectorMath.Lanes;

    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(EpilogueCall*)context;
        int headDim = a.Shape.HeadDim, half = headDim / 2, rotated = a.Shape.Heads + a.Shape.KvHeads;
        long width = a.Shape.PackedWidth;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        bool pastCaches = a.NormInput is not null && VectorMath.WritesPastCaches(a.NormInput, (long)a.Tokens * rotated, headDim);
        for (int t = start; t < end; t++)
        {
            float* row = a.Rows + (t * width);
            if (a.Weights.Bias is not null)
            {
                Bias.AddInto(row, a.Weights.Bias, (int)width);
            }

            long angle = (long)a.Positions[t] * half;
            if (a.Weights.QueryGain is null)
            {
                if (a.NormInput is not null)
                {
                    Unsafe.CopyBlockUnaligned(
                        a.NormInput + ((long)t * rotated * headDim), row, (uint)(rotated * headDim) * sizeof(float));
                }

                for (int h = 0; h < rotated; h++)
                {
                    Rope.RotateHead(row + ((long)h * headDim), half, a.Cosines + angle, a.Sines + angle, 1f);
                }

                continue;
            }

            for (int h = 0; h < rotated;)
            {
                bool isQuery = h < a.Shape.Heads;
                var group = new HeadRun
                {
                    Rows = row + ((long)h * headDim),
                    Saved = a.NormInput is null ? null : a.NormInput + ((((long)t * rotated) + h) * headDim),
                    Gain = isQuery ? a.Weights.QueryGain : a.Weights.KeyGain,
                    Cosines = a.Cosines + angle,
                    Sines = a.Sines + angle,
                    Count = Math.Min(HeadGroup, (isQuery ? a.Shape.Heads : rotated) - h),
                    HeadDim = headDim,
                    Ahead = width,
                };
                ForwardGroup(&group, a.Weights.Epsilon, a.InverseRms is null ? null : a.InverseRms + ((long)t * rotated) + h, pastCaches);
                h += group.Count;
            }
        }
    }

    /// <summary>Finishes up to sixteen heads of a token that share a gain.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardGroup(HeadRun* group, float epsilon, float* inverseRms, bool pastCaches)
    {
        int headDim = group->HeadDim, count = group->Count;
        float* scales = stackalloc float[HeadGroup];
        Vector512.Create(1f).Store(scales);
        for (int h = 0; h < count; h++)
        {
            float* head = group->Rows + ((long)h * headDim);
            scales[h] = group->Saved is null
                ? SumOfSquares(head, headDim)
                : SaveAndSumSquares(head, group->Saved + ((long)h * headDim), headDim, pastCaches);
        }

        Vector512<float> squares = Vector512.Load(scales);
        (Vector512<float>.One / Vector512.Sqrt((squares / Vector512.Create((float)headDim)) + Vector512.Create(epsilon))).Store(scales);
        for (int h = 0; h < count; h++)
        {
            float* head = group->Rows + ((long)h * headDim);
            if (!float.IsFinite(squares[h]))
            {
                scales[h] = InverseRootMeanInDouble(head, headDim, epsilon);
            }

            NormaliseAndRotate(head, group->Gain, group->Cosines, group->Sines, scales[h], headDim / 2, group->Ahead);
        }

        if (inverseRms is not null)
        {
            new Span<float>(scales, count).CopyTo(new Span<float>(inverseRms, count));
        }
    }

    /// <summary>s = 1 / sqrt(mean(x²) + ε) where elements beyond 1e19 overflow a float when squared; double has room for them.</summary>
    private static float InverseRootMeanInDouble(float* x, int width, float epsilon)
    {
        double sum = 0;
        for (int e = 0; e < width; e++)
        {
            sum += (double)x[e] * x[e];
        }

        return (float)(1.0 / Math.Sqrt((sum / width) + epsilon));
    }

    /// <summary>x = R(x·s·gain) in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormaliseAndRotate(float* x, float* gain, float* cosines, float* sines, float scale, int half, long ahead)
    {
        var factor = Vector512.Create(scale);
        if (half % 16 == 0)
        {
            for (int j = 0; j < half; j += 16)
            {
                VectorMath.Prefetch(x + j + ahead);
                VectorMath.Prefetch(x + half + j + ahead);
                var a = Vector512.Load(x + j) * factor * Vector512.Load(gain + j);
                var b = Vector512.Load(x + half + j) * factor * Vector512.Load(gain + half + j);
                Vector512<float> cosine = Vector512.Load(cosines + j), sine = Vector512.Load(sines + j);
                Vector512.FusedMultiplyAdd(a, cosine, -(b * sine)).Store(x + j);
                Vector512.FusedMultiplyAdd(b, cosine, a * sine).Store(x + half + j);
            }

            return;
        }

        for (int e = 0; e < 2 * half; e++)
        {
            x[e] = x[e] * scale * gain[e];
        }

        Rope.RotateHead(x, half, cosines, sines, 1f);
    }

    /// <summary>Copies a head, past the caches or through them, with the additions of <see cref="SumOfSquares"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SaveAndSumSquares(float* x, float* saved, int width, bool pastCaches)
    {
        if (width % 64 != 0)
        {
            Unsafe.CopyBlockUnaligned(saved, x, (uint)width * sizeof(float));
            return SumOfSquares(x, width);
        }

        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int i = 0; i < width; i += 64)
        {
            Vector512<float> x0 = Vector512.Load(x + i), x1 = Vector512.Load(x + i + 16);
            Vector512<float> x2 = Vector512.Load(x + i + 32), x3 = Vector512.Load(x + i + 48);
            s0 = Vector512.FusedMultiplyAdd(x0, x0, s0);
            s1 = Vector512.FusedMultiplyAdd(x1, x1, s1);
            s2 = Vector512.FusedMultiplyAdd(x2, x2, s2);
            s3 = Vector512.FusedMultiplyAdd(x3, x3, s3);
            VectorMath.Store(x0, saved + i, pastCaches);
            VectorMath.Store(x1, saved + i + 16, pastCaches);
            VectorMath.Store(x2, saved + i + 32, pastCaches);
            VectorMath.Store(x3, saved + i + 48, pastCaches);
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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
    /// <summary>Up to sixteen neighbouring heads of a token, all of queries or all of keys.</summary>
    private struct HeadRun
    {
        public float* Rows;
        public float* Saved;
        public float* Gain;
        public float* Cosines;
        public float* Sines;
        public float* GradGain;
        public long Ahead;
        public long SavedAhead;
        public int Count;
        public int HeadDim;
    }
}
