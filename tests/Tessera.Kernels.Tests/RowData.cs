using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

/// <summary>Inputs and oracles shared by the tests of row kernels.</summary>
internal static unsafe class RowData
{
    /// <summary>Thread counts whose results must have the same bits.</summary>
    public static readonly int[] ThreadCounts = [1, 2, 3, 5, 8];

    /// <summary>One, primes, and one below, at and above a vector, an unrolled group of vectors and a block of tokens.</summary>
    public static TheoryData<int, int> Shapes => new()
    {
        { 0, 5 }, { 1, 1 }, { 1, 7 }, { 3, 15 }, { 2, 16 }, { 5, 17 }, { 4, 31 }, { 3, 32 }, { 2, 33 }, { 63, 63 }, { 64, 64 },
        { 65, 65 }, { 130, 97 }, { 2, 1031 }, { 7, 128 }, { 191, 80 },
    };

    public static double[] Wide(ReadOnlySpan<float> values)
    {
        var wide = new double[values.Length];
        for (int i = 0; i < wide.Length; i++)
        {
            wide[i] = values[i];
        }

        return wide;
    }

    public static double[] Gaussians(int count, int seed)
    {
        var random = new CounterRandom((ulong)seed, 0xD0);
        var values = new double[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = random.NextGaussian();
        }

        return values;
    }

    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    /// <summary>Fails unless a gradient agrees with central differences of a scalar function.</summary>
    public static void AssertIsGradient(Func<double[], double> function, double[] at, ReadOnlySpan<double> gradient, double bound = 1e-8)
    {
        double difference = 0, norm = 0;
        for (int i = 0; i < at.Length; i++)
        {
            double step = 6e-6 * Math.Max(1.0, Math.Abs(at[i])), kept = at[i];
            at[i] = kept + step;
            double above = function(at);
            at[i] = kept - step;
            double below = function(at);
            at[i] = kept;
            double numerical = (above - below) / (2 * step);
            difference += (numerical - gradient[i]) * (numerical - gradient[i]);
            norm += numerical * numerical;
        }

        double error = Math.Sqrt(difference / norm);
        Assert.True(error <= bound, $"gradient is {error:E2} away from central differences");
    }

    /// <summary>Fails unless every thread count gives the bits of one thread.</summary>
    public static void AssertSameBits(Func<CpuDevice, float[]> run)
    {
        float[]? expected = null;
        foreach (int threads in ThreadCounts)
        {
            using var device = new CpuDevice(threads);
            float[] actual = run(device);
            expected ??= actual;
            for (int i = 0; i < actual.Length; i++)
            {
                Assert.True(
                    BitConverter.SingleToUInt32Bits(actual[i]) == BitConverter.SingleToUInt32Bits(expected[i]),
                    $"{threads} threads: element {i} is {actual[i]:R}, with one thread {expected[i]:R}");
            }
        }
    }

    /// <summary>The values after the guards were checked.</summary>
    public static Span<float> Checked(this GuardedFloats buffer)
    {
        buffer.AssertGuardsIntact();
        return buffer.Span;
    }
}
