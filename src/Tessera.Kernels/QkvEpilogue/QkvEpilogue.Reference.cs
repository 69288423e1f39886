namespace Tessera.Kernels;

/// <content>The formula in scalar double precision, one token at a time.</content>
public static partial class QkvEpilogue
{
    /// <summary>The formula of <see cref="Forward"/> for one token: bias and gains are empty where there are none.</summary>
    public static void ReferenceForward(
        in AttentionShape shape, Span<double> row, ReadOnlySpan<double> bias, ReadOnlySpan<double> queryGain,
        ReadOnlySpan<double> keyGain, double epsilon, int position, ReadOnlySpan<double> inverseFrequencies)
    {
        for (int i = 0; i < bias.Length; i++)
        {
            row[i] += bias[i];
        }

        int headDim = shape.HeadDim;
        for (int h = 0; h < shape.Heads + shape.KvHeads; h++)
        {
            Span<double> head = row.Slice(h * headDim, headDim);
            ReadOnlySpan<double> gain = h < shape.Heads ? queryGain : keyGain;
            double scale = ReferenceScale(head, epsilon);
            for (int e = 0; e < gain.Length; e++)
            {
                head[e] *= scale * gain[e];
            }

            Rope.RotateReference(head, position, inverseFrequencies);
        }
    }

    /// <summary>
    /// The formula of <see cref="Backward"/> for one token: <paramref name="row"/> is the bare projection; the gradient is
    /// changed in place, the weights' gradients are added to.
    /// </summary>
    public static void ReferenceBackward(
        in AttentionShape shape, ReadOnlySpan<double> row, ReadOnlySpan<double> bias, ReadOnlySpan<double> queryGain,
        ReadOnlySpan<double> keyGain, double epsilon, int position, ReadOnlySpan<double> inverseFrequencies, Span<double> gradient,
        Span<double> gradBias, Span<double> gradQueryGain, Span<double> gradKeyGain)
    {
        int headDim = shape.HeadDim;
        double[] frequencies = [.. inverseFrequencies.ToArray().Select(f => -f)];
        for (int h = 0; h < shape.Heads + shape.KvHeads; h++)
        {
            Span<double> g = gradient.Slice(h * headDim, headDim);
            Rope.RotateReference(g, position, frequencies);
            ReadOnlySpan<double> gain = h < shape.Heads ? queryGain : keyGain;
            Span<double> gradGain = h < shape.Heads ? gradQueryGain : gradKeyGain;
            double[] z = row.Slice(h * headDim, headDim).ToArray();
            for (int e = 0; e < headDim && !bias.IsEmpty; e++)
            {
                z[e] += bias[(h * headDim) + e];
            }

            double scale = ReferenceScale(z, epsilon), mean = 0;
            for (int e = 0; e < gain.Length; e++)
            {
                mean += g[e] * gain[e] * z[e] * scale / headDim;
                gradGain[e] += g[e] * z[e] * scale;
            }

            for (int e = 0; e < gain.Length; e++)
            {
                g[e] = scale * ((g[e] * gain[e]) - (z[e] * scale * mean));
            }
        }

        for (int i = 0; i < gradBias.Length; i++)
        {
            gradBias[i] += gradient[i];
        }
    }

    private static double ReferenceScale(ReadOnlySpan<double> head, double epsilon)
    {
        double squares = 0;
        foreach (double value in head)
        {
            squares += value * value;
        }

        return 1 / Math.Sqrt((squares / head.Length) + epsilon);
    }
}
