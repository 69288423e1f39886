namespace Tessera.Kernels;

public static unsafe partial class LinearLogProb
{
    /// <summary>The formula of <see cref="Run"/> in double.</summary>
    public static void ReferenceRun(
        ReadOnlySpan<double> hidden, ReadOnlySpan<double> head, ReadOnlySpan<int> targets, ReadOnlySpan<double> tokenWeights,
        double temperature, Span<double> logProb, Span<double> entropy, int width, int vocabulary)
    {
        var logits = new double[vocabulary];
        for (int t = 0; t < targets.Length; t++)
        {
            logProb[t] = 0;
            entropy[t] = 0;
            if (tokenWeights[t] == 0)
            {
                continue;
            }

            LinearCrossEntropy.ReferenceLogits(hidden.Slice(t * width, width), head, logits);
            for (int v = 0; v < vocabulary; v++)
            {
                logits[v] /= temperature;
            }

            double logSum = LinearCrossEntropy.ReferenceLogSum(logits);
            logProb[t] = logits[targets[t]] - logSum;
            for (int v = 0; v < vocabulary; v++)
            {
                entropy[t] -= Math.Exp(logits[v] - logSum) * (logits[v] - logSum);
            }
        }
    }
}
