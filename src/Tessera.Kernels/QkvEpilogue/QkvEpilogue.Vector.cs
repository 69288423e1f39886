using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// A row is finished head by head, so a head stays in the first-level cache for bias, norm and rotation. Where half a head is
/// whole vectors of 16, norm and rotation share their loads and stores; other heads take one step after the other.
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
                if (a.Weights.QueryGain is null)
                {
                    Rope.RotateHead(head, half, a.Cosines + angle, a.Sines + angle, 1f);
                    continue;
                }

                float* gain = h < a.Shape.Heads ? a.Weights.QueryGain : a.Weights.KeyGain;
                float scale = InverseRootMean(head, headDim, a.Weights.Epsilon);
                NormaliseAndRotate(head, gain, a.Cosines + angle, a.Sines + angle, scale, half);
                if (a.InverseRms is not null)
                {
                    a.InverseRms[((long)t * rotated) + h] = scale;
                }
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
                if (a.Weights.QueryGain is null)
                {
                    Rope.RotateHead(gradient, half, a.Cosines + angle, a.Sines + angle, -1f);
                    continue;
                }

                bool isQuery = h < a.Shape.Heads;
                long head = ((long)t * rotated) + h;
                float* gain = isQuery ? a.Weights.QueryGain : a.Weights.KeyGain;
                float* x = a.NormInput + (head * headDim);
                float product = RotateBackAndProject(gradient, gain, x, a.Cosines + angle, a.Sines + angle, half);
                NormaliseBackward(
                    gradient, x, gain, a.InverseRms[head], product, partial is null || isQuery ? partial : partial + headDim, headDim);
            }
        }
    }

    /// <summary>s = 1 / sqrt(mean(x²) + ε).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float InverseRootMean(float* x, int width, float epsilon)
    {
        float squares = SumOfSquares(x, width);
        if (float.IsFinite(squares))
        {
            return 1f / MathF.Sqrt((squares / width) + epsilon);
        }

        // Elements beyond 1e19 overflow a float when squared; double has room for the square of any float.
        double sum = 0;
        for (int e = 0; e < width; e++)
        {
            sum += (double)x[e] * x[e];
        }

        return (float)(1.0 / Math.Sqrt((sum / width) + epsilon));
    }

    /// <summary>x = R(x·s·gain) in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormaliseAndRotate(float* x, float* gain, float* cosines, float* sines, float scale, int half)
    {
        var factor = Vector512.Create(scale);
        if (half % 16 == 0)
        {
            for (int j = 0; j < half; j += 16)
            {
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

    /// <summary>Rotates a gradient back in place.</summary>
    /// <returns>Σ gradient·gain·x.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float RotateBackAndProject(float* gradient, float* gain, float* x, float* cosines, float* sines, int half)
    {
        float sum = 0;
        if (half % 16 == 0)
        {
            Vector512<float> s0 = default, s1 = default;
            for (int j = 0; j < half; j += 16)
            {
                Vector512<float> a = Vector512.Load(gradient + j), b = Vector512.Load(gradient + half + j);
                Vector512<float> cosine = Vector512.Load(cosines + j), sine = Vector512.Load(sines + j);
                var back = Vector512.FusedMultiplyAdd(a, cosine, b * sine);
                var front = Vector512.FusedMultiplyAdd(b, cosine, -(a * sine));
                back.Store(gradient + j);
                front.Store(gradient + half + j);
                s0 = Vector512.FusedMultiplyAdd(back * Vector512.Load(gain + j), Vector512.Load(x + j), s0);
                s1 = Vector512.FusedMultiplyAdd(front * Vector512.Load(gain + half + j), Vector512.Load(x + half + j), s1);
            }

            return VectorMath.Sum(s0 + s1);
        }

        Rope.RotateHead(gradient, half, cosines, sines, -1f);
        for (int e = 0; e < 2 * half; e++)
        {
            sum = MathF.FusedMultiplyAdd(gradient[e] * gain[e], x[e], sum);
        }

        return sum;
    }

    /// <summary>Turns the gradient of a head's norm into that of its input, in place, and adds the gain's gradient to a partial sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormaliseBackward(
        float* gradient, float* x, float* gain, float scale, float product, float* gradGain, int width)
    {
        float mean = product * scale / width;
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
}
