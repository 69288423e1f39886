namespace Tessera.Kernels;

public static unsafe partial class Residual
{
    /// <summary>The formula of <see cref="Add"/> in double.</summary>
    public static void ReferenceAdd(ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> sum)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = a[i] + b[i];
        }
    }

    /// <summary>The formula of <see cref="Scale"/> in double.</summary>
    public static void ReferenceScale(Span<double> target, double factor)
    {
        for (int i = 0; i < target.Length; i++)
        {
            target[i] *= factor;
        }
    }
}
