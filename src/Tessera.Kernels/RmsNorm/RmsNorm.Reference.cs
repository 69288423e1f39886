namespace Tessera.Kernels;

public static unsafe partial class RmsNorm
{
    /// <summary>The formula of <see cref="Forward"/> in double, element by element.</summary>
    public static void ReferenceForward(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, Span<double> y, Span<double> inverseRms, int tokens, int width, double epsilon)
    {
        for (int t = 0; t < tokens; t++)
        {
            double squares = 0;
            for (int i = 0; i < width; i++)
            {
                squares += x[(t * width) + i] * x[(t * width) + i];
            }

            inverseRms[t] = 1.0 / Math.Sqrt((squares / width) + epsilon);
            for (int i = 0; i < width; i++)
            {
                y[(t * width) + i] = x[(t * width) + i] * inverseRms[t] * gain[i];
            }
        }
    }

    /// <summary>The formula of <see cref="Backward"/> in double: both gradients are added to what is there.</summary>
    public static void ReferenceBackward(
        ReadOnlySpan<double> gradY, ReadOnlySpan<double> x, ReadOnlySpan<double> gain, Span<double> gradX, Span<double> gradGain,
        int tokens, int width, double epsilon)
    {
        var y = new double[x.Length];
        var inverseRms = new double[tokens];
        ReferenceForward(x, gain, y, inverseRms, tokens, width, epsilon);
        for (int t = 0; t < tokens; t++)
        {
            double s = inverseRms[t], mean = 0;
            for (int i = 0; i < width; i++)
            {
                mean += gradY[(t * width) + i] * gain[i] * x[(t * width) + i] * s / width;
            }

            for (int i = 0; i < width; i++)
            {
                double normal = x[(t * width) + i] * s;
                gradX[(t * width) + i] += s * ((gradY[(t * width) + i] * gain[i]) - (normal * mean));
                gradGain[i] += gradY[(t * width) + i] * normal;
            }
        }
    }
}
