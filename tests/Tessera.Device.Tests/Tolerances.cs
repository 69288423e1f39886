using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

/// <summary>Bounds against references in double on the same rounded inputs (docs: numerics of kernels).</summary>
internal static class Tolerances
{
    /// <summary>Relative L2 of one rounding to f32: at most half a unit in the last place, 2⁻²⁴, of each element.</summary>
    public const double OneRoundingF32 = 6e-8;

    /// <summary>Relative L2 of one rounding to bf16: 1.66e-3 is expected of many values spread evenly over a binade.</summary>
    public const double OneRoundingBf16 = 2.0e-3;

    /// <summary>From this many values on the expected relative L2 is met; fewer may all lie at the bad end of a binade.</summary>
    private const int ManyValues = 1000;

    /// <summary>The most that one element may be away, relative to itself: half a unit in the last place.</summary>
    public static double HalfUnit(DType stored) => stored == DType.BF16 ? 1.0 / (1 << 8) : 1.0 / (1 << 24);

    /// <summary>
    /// Fails unless every element is the reference after an operation in f32 and one rounding at the store, and many of
    /// them together keep the relative L2 of that.
    /// </summary>
    public static void AssertOneRounding(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, DType stored, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double bound = HalfUnit(stored) + (stored == DType.BF16 ? HalfUnit(DType.F32) : 0);
        for (int i = 0; i < actual.Length; i++)
        {
            Assert.True(
                Math.Abs(actual[i] - expected[i]) <= bound * Math.Abs(expected[i]),
                $"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R} within {bound:E2} of itself");
        }

        if (actual.Length >= ManyValues)
        {
            Errors.AssertClose(actual, expected, stored == DType.BF16 ? OneRoundingBf16 : OneRoundingF32, what);
        }
    }

    /// <summary>Natural logarithms of sums in f32, a few units in the last place of the largest score.</summary>
    public const double LogSumExp = 2e-6;

    /// <summary>
    /// Attention forward: sums in f32, and with bf16 on both sides probabilities are rounded before they meet the values, which errs as
    /// much as the store does and independently of it: √2 roundings.
    /// </summary>
    public static double Attention(DType query, DType stored) =>
        query == DType.F32 ? 2e-6 : stored == DType.F32 ? OneRoundingBf16 : 2.9e-3;

    /// <summary>
    /// Gradients of attention: in bf16 the gradients of scores are rounded, the outputs that they are measured against were, and
    /// the store rounds; where a query sees few keys, what remains after subtraction is small against what was rounded.
    /// </summary>
    public static double AttentionGradient(DType type) => type == DType.F32 ? 5e-6 : 5e-3;
}
