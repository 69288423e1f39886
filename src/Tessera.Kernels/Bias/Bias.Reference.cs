namespace Tessera.Kernels;

public static partial class Bias
{
    /// <summary>The formula of <see cref="Forward"/> in double.</summary>
    public static void ReferenceForward(Span<double> y, ReadOnlySpan<double> bias)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] += bias[i % bias.Length];
        }
    }

    /// <summary>The formula of <see cref="Backward"/> in double: added to what is there.</summary>
    public static void ReferenceBackward(ReadOnlySpan<double> gradY, Span<double> gradBias)
    {
        for (int i = 0; i < gradY.Length; i++)
        {
            gradBias[i % gradBias.Length] += gradY[i];
        }
    }
}
