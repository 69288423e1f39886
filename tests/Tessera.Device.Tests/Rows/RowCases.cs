using Tessera.Devices;

namespace Tessera.Device.Tests;

/// <summary>Shapes, types and bounds shared by the tests of row kernels.</summary>
internal static class RowCases
{
    /// <summary>(tokens, width): one, primes, around a pack of 8, around what one warp and one block keep in registers.</summary>
    public static readonly (int Tokens, int Width)[] Shapes =
    [
        (0, 5), (1, 1), (1, 8), (3, 7), (5, 17), (67, 64), (7, 97), (300, 33), (130, 136), (9, 1000), (129, 1024), (3, 2056), (2, 4099),
        (2, 16_392),
    ];

    /// <summary>(activations, weights): everything in f32; activations in bf16 with either.</summary>
    public static TheoryData<DType, DType> Types => new()
    {
        { DType.F32, DType.F32 }, { DType.BF16, DType.F32 }, { DType.BF16, DType.BF16 },
    };

    // Below this many elements the roundings of a norm have not averaged out: a few large elements decide it.
    private const int FewElements = 4096;

    /// <summary>
    /// Fails unless a buffer holds the expected values. f32: relative L2 within <paramref name="bound"/>. bf16: every element within one
    /// rounding, 2⁻⁸ of it, and four times the bound of the largest for the arithmetic before; of many elements the relative L2
    /// within that of one rounding, too.
    /// </summary>
    /// <param name="actual">What the kernel wrote.</param>
    /// <param name="expected">The reference.</param>
    /// <param name="bound">Of the arithmetic.</param>
    /// <param name="what">Named in the message.</param>
    public static void AssertClose(DeviceBuffer actual, double[] expected, double bound, string what)
    {
        float[] values = actual.Read();
        if (actual.Type == DType.F32)
        {
            TestSupport.Errors.AssertClose(values, expected, bound, what);
            return;
        }

        const double rounding = 1.0 / 256;
        double largest = expected.Length == 0 ? 0 : Math.Max(1, expected.Max(Math.Abs));
        Assert.Equal(expected.Length, values.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(values[i] - expected[i]);
            Assert.True(
                error <= (rounding * Math.Abs(expected[i])) + (4 * bound * largest), $"{what}: element {i} is {values[i]:R}, expected {expected[i]:R}");
        }

        if (expected.Length >= FewElements)
        {
            TestSupport.Errors.AssertClose(values, expected, Tolerances.OneRoundingBf16, what);
        }
    }

    /// <summary>The numbers as floats, rounded to a type, in double again.</summary>
    public static double[] Rounded(double[] values, DType type) => Array.ConvertAll(
        values, value => type == DType.BF16 ? Bf16.Widen(Bf16.Round((float)value)) : (double)(float)value);

    /// <summary>Ids below a limit of which a few are frequent, as in text.</summary>
    public static int[] Ids(int count, int limit, int seed)
    {
        var random = new CounterRandom((ulong)seed, 0x1D5);
        int[] ids = new int[count];
        for (int i = 0; i < count; i++)
        {
            ids[i] = random.Next(3) == 0 ? random.Next(Math.Min(limit, 3)) : random.Next(limit);
        }

        return ids;
    }

    public static float[] Singles(double[] values) => Array.ConvertAll(values, value => (float)value);
}
