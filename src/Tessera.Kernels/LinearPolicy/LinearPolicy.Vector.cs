using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearPolicy
{
    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Count, worker, workers);
        for (int t = start; t < end; t++)
        {
            float* row = a.Logits + ((long)t * a.Vocabulary);
            if (a.Tokens.Weights[t] == 0)
            {
                a.Results.Clear(t);
                if (a.WithGradient)
                {
                    new Span<float>(row, a.Vocabulary).Clear();
                }
            }
            else
            {
                Token(a, row, t);
            }
        }
    }

    private static void Token(in Arguments a, float* row, int t)
    {
        int target = a.Tokens.Targets[t];
        float logit = row[target], max = LinearCrossEntropy.Max(row, a.Vocabulary), entropy = 0;
        if (a.Results.Entropy is not null)
        {
            // Before the exponentials take the logits' place.
            double plain = LinearCrossEntropy.SumExponentials(row, a.Vocabulary, max, a.Factor, false);
            entropy = LinearLogProb.Entropy(row, a.Vocabulary, max, a.Factor, plain);
        }

        double sum = LinearCrossEntropy.SumExponentials(row, a.Vocabulary, max, a.Factor, a.WithGradient);
        float logProb = -LinearCrossEntropy.NegativeLogLikelihood(sum, max, logit, a.Factor);
        var (loss, slope, kl, clip) = a.Terms.At(
            logProb,
            a.Tokens.OldLogProb is null ? logProb : a.Tokens.OldLogProb[t],
            a.Tokens.ReferenceLogProb is null ? null : a.Tokens.ReferenceLogProb[t],
            a.Tokens.Advantages[t],
            a.Tokens.Correction is null ? 1 : a.Tokens.Correction[t]);
        a.Results.Loss[t] = (float)loss;
        a.Results.LogProb[t] = logProb;
        a.Results.Set(t, entropy, (float)kl, clip);
        if (a.WithGradient)
        {
            float coefficient = (float)(a.Scale * a.Tokens.Weights[t] * slope * a.Factor);
            LinearCrossEntropy.ScaleRow(row, a.Vocabulary, (float)(-coefficient / sum));
            row[target] += coefficient;
        }
    }
}
