using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// A row is finished head by head, so a head stays in the first-level cache for bias, norm and rotation. Heads are read in
/// vectors of 16 with a masked tail; sums have four accumulators from 64 elements on.
/// </content>
public static unsafe partial class QkvEpilogue
{
    private static void ForwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(EpilogueCall*)context;
        int headDim = a.Shape.HeadDim, half = headDim / 2, rotated = a.Shape.Heads + a.Shape.KvHeads;
        long width = a.Shape.PackedWidth;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            float* row = a.Rows + (t * width);
            if (a.Weights.Bias is not null)
            {
                Bias.AddInto(row, a.Weights.Bias, (int)width);
            }

            if (a.NormInput is not null)
            {
                Unsafe.CopyBlockUnaligned(
                    a.NormInput + ((long)t * rotated * headDim), row, (uint)(rotated * headDim) * sizeof(float));
            }

            long angle = (long)a.Positions[t] * half;
            float* head = row;
            for (int h = 0; h < rotated; h++, head += headDim)
            {
                if (a.Weights.QueryGain is not null)
                {
                    float scale = Normalise(head, h < a.Shape.Heads ? a.Weights.QueryGain : a.Weights.KeyGain, headDim, a.Weights.Epsilon);
                    if (a.InverseRms is not null)
                    {
                        a.InverseRms[((long)t * rotated) + h] = scale;
                    }
                }

                Rope.RotateHead(head, half, a.Cosines + angle, a.Sines + angle, 1f);
            }
        }
    }

    private static void BackwardBody(void* context, int worker, int workers)
    {
        ref var a = ref *(EpilogueCall*)context;
        int headDim = a.Shape.HeadDim, half = headDim / 2, rotated = a.Shape.Heads + a.Shape.KvHeads;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers, a.Partials is null ? 1 : RowLaunch.BlockTokens);
        for (int t = start; t < end; t++)
        {
            float* partial = a.Partials is null ? null : a.Partials + (2L * (t / RowLaunch.BlockTokens) * headDim);
            if (partial is not null && t % RowLaunch.BlockTokens == 0)
            {
                new Span<float>(partial, 2 * headDim).Clear();
            }

            long angle = (long)a.Positions[t] * half;
            float* gradient = a.Rows + ((long)t * a.Shape.PackedWidth);
            for (int h = 0; h < rotated; h++, gradient += headDim)
            {
                Rope.RotateHead(gradient, half, a.Cosines + angle, a.Sines + angle, -1f);
                if (a.Weights.QueryGain is null)
                {
                    continue;
                }

                bool isQuery = h < a.Shape.Heads;
                long head = ((long)t * rotated) + h;
                NormaliseBackward(
                    gradient, a.NormInput + (head * headDim), isQuery ? a.Weights.QueryGain : a.Weights.KeyGain, a.InverseRms[head],
                    partial is null || isQuery ? partial : partial + headDim, headDim);
            }
        }
    }

    /// <summary>x = x·s·gain in place.</summary>
    /// <returns>s.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Normalise(float* x, float* gain, int width, float epsilon)
    {
        double squares = Sum<Square>(x, x, x, width);
        if (!double.IsFinite(squares))
        {
            // Elements beyond 1e19 overflow a float when squared; double has room for the square of any float.
            squares = 0;
            for (int e = 0; e < width; e++)
            {
                squares += (double)x[e] * x[e];
            }
        }

        float scale = (float)(1.0 / Math.Sqrt((squares / width) + epsilon));
        var factor = Vector512.Create(scale);
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            (Vector512.Load(x + i) * factor * Vector512.Load(gain + i)).Store(x + i);
        }

        for (; i < width; i++)
        {
            x[i] = x[i] * scale * gain[i];
        }

        return scale;
    }

    /// <summary>Turns the gradient of a head's norm into that of its input, in place, and adds the gain's gradient to a partial sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormaliseBackward(float* gradient, float* x, float* gain, float scale, float* gradGain, int width)
    {
        float mean = Sum<WeightedProduct>(gradient, gain, x, width) * scale / width;
        Vector512<float> factor = Vector512.Create(scale), shift = Vector512.Create(-mean);
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            Vector512<float> g = Vector512.Load(gradient + i), normal = Vector512.Load(x + i) * factor;
            if (gradGain is not null)
            {
                Vector512.FusedMultiplyAdd(g, normal, Vector512.Load(gradGain + i)).Store(gradGain + i);
            }

            (Vector512.FusedMultiplyAdd(normal, shift, g * Vector512.Load(gain + i)) * factor).Store(gradient + i);
        }

        for (; i < width; i++)
        {
            float g = gradient[i], normal = x[i] * scale;
            if (gradGain is not null)
            {
                gradGain[i] = MathF.FusedMultiplyAdd(g, normal, gradGain[i]);
            }

            gradient[i] = MathF.FusedMultiplyAdd(normal, -mean, g * gain[i]) * scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum<TTerm>(float* a, float* b, float* c, int width)
        where TTerm : struct, ITerm
    {
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= width - 64; i += 64)
        {
            s0 = TTerm.Add(s0, Vector512.Load(a + i), Vector512.Load(b + i), Vector512.Load(c + i));
            s1 = TTerm.Add(s1, Vector512.Load(a + i + 16), Vector512.Load(b + i + 16), Vector512.Load(c + i + 16));
            s2 = TTerm.Add(s2, Vector512.Load(a + i + 32), Vector512.Load(b + i + 32), Vector512.Load(c + i + 32));
            s3 = TTerm.Add(s3, Vector512.Load(a + i + 48), Vector512.Load(b + i + 48), Vector512.Load(c + i + 48));
        }

        for (; i <= width - 16; i += 16)
        {
            s0 = TTerm.Add(s0, Vector512.Load(a + i), Vector512.Load(b + i), Vector512.Load(c + i));
        }

        if (i < width)
        {
            int rest = width - i;
            s1 = TTerm.Add(s1, VectorMath.LoadPart(a + i, rest), VectorMath.LoadPart(b + i, rest), VectorMath.LoadPart(c + i, rest));
        }

        return VectorMath.Sum((s0 + s1) + (s2 + s3));
    }

    /// <summary>One term of a sum over a head.</summary>
    private interface ITerm
    {
        static abstract Vector512<float> Add(Vector512<float> sum, Vector512<float> a, Vector512<float> b, Vector512<float> c);
    }

    /// <summary>a².</summary>
    private readonly struct Square : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Add(Vector512<float> sum, Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
            Vector512.FusedMultiplyAdd(a, a, sum);
    }

    /// <summary>a·b·c.</summary>
    private readonly struct WeightedProduct : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Add(Vector512<float> sum, Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
            Vector512.FusedMultiplyAdd(a * b, c, sum);
    }
}
