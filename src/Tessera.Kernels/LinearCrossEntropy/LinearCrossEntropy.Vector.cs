using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearCrossEntropy
{
    // Elements that are added up in f32 before the sum goes on in double, so that a long vocabulary costs no precision.
    internal const int SumBlock = 4096;

    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            float* row = a.Logits + ((long)t * a.Vocabulary);
            float weight = a.Weights[t];
            if (weight == 0)
            {
                a.Loss[t] = 0;
                if (a.WithGradient)
                {
                    new Span<float>(row, a.Vocabulary).Clear();
                }

                continue;
            }

            float target = row[a.Targets[t]], max = Max(row, a.Vocabulary);
            double sum = SumExponentials(row, a.Vocabulary, max, 1f, a.WithGradient);
            a.Loss[t] = NegativeLogLikelihood(sum, max, target, 1f);
            if (a.WithGradient)
            {
                float coefficient = a.Scale * weight;
                ScaleRow(row, a.Vocabulary, (float)(coefficient / sum));
                row[a.Targets[t]] -= coefficient;
            }
        }
    }

    /// <summary>
    /// −log softmax(z·factor) at the target, from the row's largest logit and its Σ e^((z − max)·factor): the one place in
    /// which it is formed, so that losses and log-probabilities of different operations agree to the bit.
    /// </summary>
    internal static float NegativeLogLikelihood(double sum, float max, float target, float factor) =>
        (float)(Math.Log(sum) + (((double)max - target) * factor));

    /// <summary>The largest logit of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static float Max(float* z, int count)
    {
        Vector512<float> m0 = Vector512.Create(float.NegativeInfinity), m1 = m0, m2 = m0, m3 = m0;
        int i = 0;
        for (; i <= count - 64; i += 64)
        {
            m0 = Vector512.MaxNative(m0, Vector512.Load(z + i));
            m1 = Vector512.MaxNative(m1, Vector512.Load(z + i + 16));
            m2 = Vector512.MaxNative(m2, Vector512.Load(z + i + 32));
            m3 = Vector512.MaxNative(m3, Vector512.Load(z + i + 48));
        }

        for (; i <= count - 16; i += 16)
        {
            m0 = Vector512.MaxNative(m0, Vector512.Load(z + i));
        }

        if (i < count)
        {
            m1 = Vector512.MaxNative(m1, VectorMath.LoadPart(z + i, count - i, float.NegativeInfinity));
        }

        return VectorMath.Max(Vector512.MaxNative(Vector512.MaxNative(m0, m1), Vector512.MaxNative(m2, m3)));
    }

    /// <summary>Σ e^((z − max)·factor); with <paramref name="store"/> the exponentials replace the logits.</summary>
    internal static double SumExponentials(float* z, int count, float max, float factor, bool store)
    {
        double sum = 0;
        for (int first = 0; first < count; first += SumBlock)
        {
            int block = Math.Min(SumBlock, count - first);
            sum += store
                ? SumBlockExponentials(z + first, z + first, block, max, factor)
                : SumBlockExponentials(z + first, null, block, max, factor);
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumBlockExponentials(float* z, float* target, int count, float max, float factor)
    {
        Vector512<float> shift = Vector512.Create(max), scale = Vector512.Create(factor), s0 = default, s1 = default;
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            Vector512<float> e0 = VectorMath.Exp((Vector512.Load(z + i) - shift) * scale);
            Vector512<float> e1 = VectorMath.Exp((Vector512.Load(z + i + 16) - shift) * scale);
            s0 += e0;
            s1 += e1;
            if (target is not null)
            {
                e0.Store(target + i);
                e1.Store(target + i + 16);
            }
        }

        for (; i < count; i += 16)
        {
            int part = Math.Min(16, count - i);
            Vector512<float> v = part == 16 ? Vector512.Load(z + i) : VectorMath.LoadPart(z + i, part, float.NegativeInfinity);
            Vector512<float> e = VectorMath.Exp((v - shift) * scale);
            s0 += e;
            if (target is not null)
            {
                if (part == 16)
                {
                    e.Store(target + i);
                }
                else
                {
                    VectorMath.StorePart(e, target + i, part);
                }
            }
        }

        return VectorMath.Sum(s0 + s1);
    }

    /// <summary>z ← z·factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void ScaleRow(float* z, int count, float factor)
    {
        Vector512<float> f = Vector512.Create(factor);
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            (Vector512.Load(z + i) * f).Store(z + i);
            (Vector512.Load(z + i + 16) * f).Store(z + i + 16);
        }

        for (; i < count; i++)
        {
            z[i] *= factor;
        }
    }
}
