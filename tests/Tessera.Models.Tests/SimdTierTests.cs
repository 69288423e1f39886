using Tessera.TestSupport;

namespace Tessera.Models.Tests;

public class SimdTierTests
{
    private const string Own = "*.SimdTierTests.A_child*";

    [Fact]
    [Trait("Category", "Slow")]
    public void Models_pass_their_tests_with_AVX2() =>
        SimdTier.Run("Vector256", 20, "-trait-", "Category=Slow", "-class", "*.ParityTests", "-class", "*.DecoderTests", "-class", "*.CachedForwardTests", "-class", "*.SimdTierTests");

    // Without a fused multiply-add every product is rounded: the largest difference of the untrained fixtures with tied heads grows from
    // 1.6e-5 to 2.9e-5, beyond the bound that the wider tiers are held to. The trained models are held to theirs in every tier.
    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("Vector128")]
    [InlineData("scalar")]
    public void Models_pass_their_tests_with(string tier)
    {
        SimdTier.Run(tier, 12, "-trait-", "Category=Slow", "-class", "*.DecoderTests", "-class", "*.CachedForwardTests", "-class", "*.SimdTierTests");
        SimdTier.Run(tier, 2, "-method", "*.ParityTests.Trained_models*", "-method", Own);
    }

    [Fact]
    public void A_child_runs_in_the_tier_that_was_asked_for() => SimdTier.AssertOwn();
}
