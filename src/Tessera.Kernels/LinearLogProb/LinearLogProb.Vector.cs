using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearLogProb
{
    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Tokens, worker, workers);
        for (int t = start; t < end; t++)
        {
            bool counts = a.Weights[t] != 0;
            float* row = a.Logits + ((long)t * a.Vocabulary);
            float max = counts ? LinearCrossEntropy.Max(row, a.Vocabulary) : 0f;
            double sum = counts ? LinearCrossEntropy.SumExponentials(row, a.Vocabulary, max, a.Factor, false) : 1.0;
            a.LogProb[t] = counts ? -LinearCrossEntropy.NegativeLogLikelihood(sum, max, row[a.Targets[t]], a.Factor) : 0f;
            if (a.Entropy is not null)
            {
                a.Entropy[t] = counts ? Entropy(row, a.Vocabulary, max, a.Factor, sum) : 0f;
            }
        }
    }

    /// <summary>log Σ e^x − Σ x·e^x / Σ e^x with x = (z − max)·factor, the entropy of a row of logits in nats.</summary>
    internal static float Entropy(float* z, int count, float max, float factor, double sum)
    {
        double moment = 0;
        for (int first = 0; first < count; first += LinearCrossEntropy.SumBlock)
        {
            moment += BlockMoment(z + first, Math.Min(LinearCrossEntropy.SumBlock, count - first), max, factor);
        }

        return (float)(Math.Log(sum) - (moment / sum));
    }

    // Σ x·e^x over a block. Lanes behind the row hold the maximum, so their x is 0 and they add nothing.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double BlockMoment(float* z, int count, float max, float factor)
    {
        Vector512<float> shift = Vector512.Create(max), scale = Vector512.Create(factor), s0 = default, s1 = default;
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            Vector512<float> x0 = (Vector512.Load(z + i) - shift) * scale;
            Vector512<float> x1 = (Vector512.Load(z + i + 16) - shift) * scale;
            s0 = Vector512.MultiplyAddEstimate(x0, VectorMath.Exp(x0), s0);
            s1 = Vector512.MultiplyAddEstimate(x1, VectorMath.Exp(x1), s1);
        }

        for (; i < count; i += 16)
        {
            Vector512<float> x = (VectorMath.LoadPart(z + i, Math.Min(16, count - i), max) - shift) * scale;
            s0 = Vector512.MultiplyAddEstimate(x, VectorMath.Exp(x), s0);
        }

        return VectorMath.Sum(s0 + s1);
    }
}
