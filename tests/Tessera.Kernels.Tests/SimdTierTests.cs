using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

/// <summary>The same tests on every level of instructions; a part of them always, all of them among the slow tests.</summary>
public class SimdTierTests
{
    // Where code differs by tier: products, dot products, attention, the exponential, rounding.
    private static readonly string[] Part =
    [
        "-trait-", "Category=Slow", "-class", "*.SimdTierTests", "-class", "*.GemmTests", "-class", "*.LinearTests",
        "-class", "*.AttentionBackwardTests", "-class", "*.ConversionTests", "-class", "*.SwiGluTests", "-class", "*.RmsNormTests",
    ];

    [Theory]
    [InlineData("Vector256")]
    [InlineData("Vector128")]
    [InlineData("scalar")]
    public void Products_attention_and_rows_pass_their_tests_with(string tier) => SimdTier.Run(tier, 60, Part);

    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("Vector256")]
    [InlineData("Vector128")]
    [InlineData("scalar")]
    public void All_kernels_pass_their_tests_with(string tier) => SimdTier.Run(tier, 400, "-trait-", "Category=Bench");

    [Fact]
    public void A_child_runs_in_the_tier_that_was_asked_for() => SimdTier.AssertOwn();
}
