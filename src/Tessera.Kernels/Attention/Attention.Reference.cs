namespace Tessera.Kernels;

/// <content>The formula in scalar double precision, one segment at a time: the oracle of every fast version.</content>
public static unsafe partial class Attention
{
    /// <summary>
    /// The forward of one segment: queries and output [queryCount, H·E], keys and values [keyCount, K·E], logSumExp
    /// [queryCount, H], all dense.
    /// </summary>
    public static void ForwardReference(
        in AttentionShape shape,
        ReadOnlySpan<double> queries,
        ReadOnlySpan<double> keys,
        ReadOnlySpan<double> values,
        Span<double> output,
        Span<double> logSumExp)
    {
        int width = shape.Heads * shape.HeadDim, kvWidth = shape.KvHeads * shape.HeadDim;
        int queryCount = queries.Length / width, prefix = (keys.Length / kvWidth) - queryCount;
        for (int i = 0; i < queryCount; i++)
        {
            for (int h = 0; h < shape.Heads; h++)
            {
                var query = queries.Slice((i * width) + (h * shape.HeadDim), shape.HeadDim);
                int kvOffset = h / shape.GroupSize * shape.HeadDim;
                int first = shape.FirstVisible(prefix + i);
                var weights = ReferenceScores(query, keys, kvWidth, kvOffset, first, prefix + i + 1);
                double logSum = ReferenceLogSum(weights);
                logSumExp[(i * shape.Heads) + h] = logSum;
                var target = output.Slice((i * width) + (h * shape.HeadDim), shape.HeadDim);
                target.Clear();
                for (int j = 0; j < weights.Length; j++)
                {
                    double probability = Math.Exp(weights[j] - logSum);
                    for (int e = 0; e < shape.HeadDim; e++)
                    {
                        target[e] += probability * values[((first + j) * kvWidth) + kvOffset + e];
                    }
                }
            }
        }
    }

    /// <summary>The backward of one segment with as many keys as queries; gradients are assigned.</summary>
    public static void BackwardReference(
        in AttentionShape shape,
        ReadOnlySpan<double> queries,
        ReadOnlySpan<double> keys,
        ReadOnlySpan<double> values,
        ReadOnlySpan<double> gradOutput,
        Span<double> gradQueries,
        Span<double> gradKeys,
        Span<double> gradValues)
    {
        int headDim = shape.HeadDim, width = shape.Heads * headDim, kvWidth = shape.KvHeads * headDim;
        double scale = 1.0 / Math.Sqrt(headDim);
        gradQueries.Clear();
        gradKeys.Clear();
        gradValues.Clear();
        for (int row = 0; row < queries.Length / headDim; row++)
        {
            int i = row / shape.Heads, kvOffset = row % shape.Heads / shape.GroupSize * headDim, at = row * headDim;
            int first = shape.FirstVisible(i);
            var weights = ReferenceScores(queries.Slice(at, headDim), keys, kvWidth, kvOffset, first, i + 1);
            double logSum = ReferenceLogSum(weights), delta = 0;
            var gradWeights = new double[weights.Length];
            for (int j = 0; j < weights.Length; j++)
            {
                weights[j] = Math.Exp(weights[j] - logSum);
                for (int e = 0; e < headDim; e++)
                {
                    gradWeights[j] += gradOutput[at + e] * values[((first + j) * kvWidth) + kvOffset + e];
                }

                delta += weights[j] * gradWeights[j];
            }

            for (int j = 0; j < weights.Length; j++)
            {
                double gradScore = weights[j] * (gradWeights[j] - delta) * scale;
                for (int e = 0; e < headDim; e++)
                {
                    int key = ((first + j) * kvWidth) + kvOffset + e;
                    gradValues[key] += weights[j] * gradOutput[at + e];
                    gradQueries[at + e] += gradScore * keys[key];
                    gradKeys[key] += gradScore * queries[at + e];
                }
            }
        }
    }

    /// <summary>Scaled scores of the keys from <paramref name="first"/> up to, not including, <paramref name="end"/>.</summary>
    private static double[] ReferenceScores(
        ReadOnlySpan<double> query, ReadOnlySpan<double> keys, int kvWidth, int kvOffset, int first, int end)
    {
        var scores = new double[end - first];
        for (int j = 0; j < scores.Length; j++)
        {
            for (int e = 0; e < query.Length; e++)
            {
                scores[j] += query[e] * keys[((first + j) * kvWidth) + kvOffset + e];
            }

            scores[j] /= Math.Sqrt(query.Length);
        }

        return scores;
    }

    private static double ReferenceLogSum(double[] scores)
    {
        double maximum = scores.Max(), sum = 0;
        foreach (double score in scores)
        {
            sum += Math.Exp(score - maximum);
        }

        return maximum + Math.Log(sum);
    }
}
