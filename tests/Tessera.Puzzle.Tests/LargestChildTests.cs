using Tessera.Models.Configuration;
using Tessera.Puzzle.Planning;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tests;

/// <summary>The shape that a plan takes for a child that is not known.</summary>
public sealed class LargestChildTests
{
    private static ModelConfiguration Parent { get; } = new()
    {
        VocabularySize = 1000,
        HiddenSize = 256,
        HeadCount = 4,
        HeadDim = 64,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 10_000,
        MaxPositions = 128,
        TieEmbeddings = true,
        Layers =
        [
            .. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(4), new SwiGluConfiguration(1024)), 4),
            new LayerConfiguration(new AttentionConfiguration(4), new NoFeedForwardConfiguration()),
        ],
    };

    [Theory]
    [InlineData("parameters<=80%")]
    [InlineData("parameters<=60%")]
    [InlineData("parameters<=3M")]
    public void A_limit_on_weights_narrows_feed_forwards_to_it(string target)
    {
        var limit = Target.Parse(target);
        var child = LargestChild.Of(Parent, [Target.Parse("throughput>=2x"), limit, Target.Parse("parameters<=90%")]);
        double most = limit.IsRelative ? limit.Value * Parent.ParameterCount : limit.Value;
        // Widths go in steps of 32.
        Assert.InRange(child.ParameterCount, most - (4 * 32 * 3 * 256), most);
        Assert.Equal(Parent.Layers.Select(layer => layer.Mixer), child.Layers.Select(layer => layer.Mixer));
    }

    [Fact]
    public void Other_limits_and_ones_that_the_parent_meets_leave_it()
    {
        Assert.Same(Parent, LargestChild.Of(Parent, [Target.Parse("throughput>=2x"), Target.Parse("parameters<=1B")]));
        Assert.Same(Parent, LargestChild.Of(Parent, []));
    }

    [Fact]
    public void A_limit_below_all_else_leaves_no_feed_forward()
    {
        var child = LargestChild.Of(Parent, [Target.Parse("parameters<=1%")]);
        Assert.All(child.Layers, layer => Assert.IsType<NoFeedForwardConfiguration>(layer.FeedForward));
    }
}
