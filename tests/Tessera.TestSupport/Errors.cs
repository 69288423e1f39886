using Xunit;

namespace Tessera.TestSupport;

/// <summary>Distances between a result and its reference, and the bounds that kernels are held to.</summary>
public static class Errors
{
    /// <summary>‖actual − expected‖₂ / ‖expected‖₂, or the plain norm of the difference where the reference is zero.</summary>
    public static double RelativeL2(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double difference = 0, norm = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double d = actual[i] - expected[i];
            difference += d * d;
            norm += expected[i] * expected[i];
        }

        return norm == 0 ? Math.Sqrt(difference) : Math.Sqrt(difference / norm);
    }

    /// <inheritdoc cref="RelativeL2(ReadOnlySpan{float}, ReadOnlySpan{double})" />
    public static double RelativeL2(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        var wide = new double[expected.Length];
        for (int i = 0; i < wide.Length; i++)
        {
            wide[i] = expected[i];
        }

        return RelativeL2(actual, wide);
    }

    /// <summary>Fails with the figure if the relative distance is above <paramref name="bound"/> or not a number.</summary>
    public static void AssertClose(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, double bound, string what)
    {
        double error = RelativeL2(actual, expected);
        Assert.True(error <= bound, $"{what}: relative L2 {error:E3} is above {bound:E1}");
    }
}
