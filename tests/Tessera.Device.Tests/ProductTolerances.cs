using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

/// <summary>Bounds of matrix products, and of gradients that are products of rounded ones, against references in double.</summary>
internal static class ProductTolerances
{
    // Half a unit in the last place of a bf16, and a little for what f32 did before.
    private const double LargestRoundingBf16 = (1.0 / 256) + 1e-5;

    /// <summary>A product whose sums are f32, of unit Gaussians.</summary>
    public const double ProductF32 = 1e-6;

    /// <summary>A product of bf16 operands: the tensor cores cut sums off instead of rounding them.</summary>
    public const double ProductOfBf16 = 5e-6;

    /// <summary>A gradient that was rounded to bf16, as elements of logits and again at the store.</summary>
    public const double TwoRoundingsBf16 = 2.8e-3;

    /// <summary>
    /// A head's gradient in bf16: elements of the logits' gradient are rounded, and for every chunk of tokens the product and the sum.
    /// </summary>
    public static double HeadGradientBf16(int chunks) => Tolerances.OneRoundingBf16 * Math.Sqrt(1 + (2 * chunks));

    /// <summary>
    /// Fails unless a product is as close as its types allow: of f32 results the norm, of bf16 results every element, whose only error
    /// of note is that of its store.
    /// </summary>
    /// <param name="actual">The result.</param>
    /// <param name="product">The reference, on the same rounded operands.</param>
    /// <param name="before">What the product was added to, or nothing; the library then rounds the product as well as the sum.</param>
    /// <param name="stored">Type of the result.</param>
    /// <param name="bound">Relative norm that f32 sums may have.</param>
    /// <param name="what">Shape, for the message.</param>
    public static void AssertProduct(
        ReadOnlySpan<float> actual, ReadOnlySpan<double> product, ReadOnlySpan<float> before, DType stored, double bound, string what)
    {
        double[] expected = product.ToArray();
        for (int i = 0; i < before.Length; i++)
        {
            expected[i] += before[i];
        }

        if (stored == DType.F32)
        {
            Errors.AssertClose(actual, expected, bound, what);
            return;
        }

        double norm = 0;
        foreach (double value in expected)
        {
            norm += value * value;
        }

        // An element near 0 is a sum whose terms were not.
        double slack = bound * 4 * Math.Sqrt(norm / Math.Max(1, expected.Length));
        for (int i = 0; i < expected.Length; i++)
        {
            double rounded = Math.Abs(expected[i]) + (before.IsEmpty ? 0 : Math.Abs(product[i]));
            if (!(Math.Abs(actual[i] - expected[i]) <= (LargestRoundingBf16 * rounded) + slack))
            {
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R} within the rounding to bf16");
            }
        }
    }
}
