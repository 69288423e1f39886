namespace Tessera.Kernels;

public static unsafe partial class LinearCrossEntropy
{
    /// <summary>
    /// The formula of <see cref="Run"/> in double; <paramref name="gradHidden"/> is assigned, <paramref name="gradHead"/> accumulated.
    /// </summary>
    public static void ReferenceRun(
        ReadOnlySpan<double> hidden, ReadOnlySpan<double> head, ReadOnlySpan<int> targets, ReadOnlySpan<double> tokenWeights,
        Span<double> tokenLoss, Span<double> gradHidden, Span<double> gradHead, int width, int vocabulary, double gradientScale)
    {
        var logits = new double[vocabulary];
        for (int t = 0; t < targets.Length; t++)
        {
            gradHidden.Slice(t * width, width).Clear();
            tokenLoss[t] = 0;
            if (tokenWeights[t] == 0)
            {
                continue;
            }

            ReferenceLogits(hidden.Slice(t * width, width), head, logits);
            double logSum = ReferenceLogSum(logits);
            tokenLoss[t] = logSum - logits[targets[t]];
            for (int v = 0; v < vocabulary; v++)
            {
                double probability = Math.Exp(logits[v] - logSum);
                double gradient = gradientScale * tokenWeights[t] * (probability - (v == targets[t] ? 1.0 : 0.0));
                for (int i = 0; i < width; i++)
                {
                    gradHidden[(t * width) + i] += gradient * head[(v * width) + i];
                    gradHead[(v * width) + i] += gradient * hidden[(t * width) + i];
                }
            }
        }
    }

    /// <summary>logits[v] = hidden · head[v], for one token.</summary>
    internal static void ReferenceLogits(ReadOnlySpan<double> hidden, ReadOnlySpan<double> head, Span<double> logits)
    {
        for (int v = 0; v < logits.Length; v++)
        {
            logits[v] = 0;
            for (int i = 0; i < hidden.Length; i++)
            {
                logits[v] += hidden[i] * head[(v * hidden.Length) + i];
            }
        }
    }

    /// <summary>log Σ e^z.</summary>
    internal static double ReferenceLogSum(ReadOnlySpan<double> logits)
    {
        double max = double.NegativeInfinity, sum = 0;
        foreach (double logit in logits)
        {
            max = Math.Max(max, logit);
        }

        foreach (double logit in logits)
        {
            sum += Math.Exp(logit - max);
        }

        return max + Math.Log(sum);
    }
}
