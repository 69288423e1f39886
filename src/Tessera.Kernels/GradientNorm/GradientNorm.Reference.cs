namespace Tessera.Kernels;

public static unsafe partial class GradientNorm
{
    /// <summary>The formula of <see cref="SumOfSquares"/>, element after element.</summary>
    public static double ReferenceSumOfSquares(ReadOnlySpan<double> x)
    {
        double sum = 0;
        foreach (double value in x)
        {
            sum += value * value;
        }

        return sum;
    }
}
