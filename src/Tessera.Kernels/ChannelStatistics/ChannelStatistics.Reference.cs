namespace Tessera.Kernels;

public static unsafe partial class ChannelStatistics
{
    /// <summary>The formula of <see cref="AccumulateAbsolute"/> in double.</summary>
    public static void ReferenceAccumulateAbsolute(ReadOnlySpan<double> x, Span<double> sums)
    {
        for (int i = 0; i < x.Length; i++)
        {
            sums[i % sums.Length] += Math.Abs(x[i]);
        }
    }

    /// <summary>The formula of <see cref="ColumnNorms"/> in double for a dense weight.</summary>
    public static void ReferenceColumnNorms(ReadOnlySpan<double> weight, Span<double> norms)
    {
        for (int column = 0; column < norms.Length; column++)
        {
            double sum = 0;
            for (int i = column; i < weight.Length; i += norms.Length)
            {
                sum += weight[i] * weight[i];
            }

            norms[column] = Math.Sqrt(sum);
        }
    }
}
