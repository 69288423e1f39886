using Tessera.TestSupport;

namespace Tessera.Models.Tests;

public class SimdTierTests
{
    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("Vector256")]
    [InlineData("Vector128")]
    [InlineData("scalar")]
    public void Models_pass_their_tests_with(string tier) => SimdTier.Run(
        tier, 60, "-trait-", "Category=Slow", "-class", "*.ParityTests", "-class", "*.DoublePrecisionTests", "-class", "*.DecoderTests",
        "-class", "*.CachedForwardTests", "-class", "*.SimdTierTests");

    [Fact]
    public void A_child_runs_in_the_tier_that_was_asked_for() => SimdTier.AssertOwn();
}
