using Tessera.TestSupport;

namespace Tessera.Tensors.Tests;

public class SimdTierTests
{
    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("Vector256")]
    [InlineData("Vector128")]
    [InlineData("scalar")]
    public void Gradients_pass_their_tests_with(string tier) =>
        SimdTier.Run(tier, 10, "-trait-", "Category=Slow");

    [Fact]
    public void A_child_runs_in_the_tier_that_was_asked_for() => SimdTier.AssertOwn();
}
