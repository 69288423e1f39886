using Tessera.Models.Configuration;
using Tessera.Puzzle.Library;

namespace Tessera.Puzzle.Tests.Library;

public class TriedVariantsTests
{
    private static readonly LayerConfiguration Layer = new(new AttentionConfiguration(8) { Window = 7 }, new SwiGluConfiguration(160) { HasBias = true });

    [Fact]
    public void All_is_the_grid()
    {
        Assert.Equal(VariantGrid.Blocks(Layer), TriedVariants.All.Blocks(Layer));
        Assert.True(TriedVariants.All.IsAll);
    }

    [Fact]
    public void Named_halves_are_pairs_with_the_parent_in_front()
    {
        using var small = Parent(Layer);
        var tried = TriedVariants.Parse("attention:none,kv4,parent ffn:50%,100%,ffn32,none", "--variants", small.Configuration);
        Assert.Equal(
            ["kv8-w7", "none", "kv4-w7"], tried.Mixers(Layer.Mixer).Select(mixer => mixer.ToString()!));
        Assert.Equal(
            ["ffn160-bias", "ffn80-bias", "ffn32-bias", "none"], tried.FeedForwards(Layer.FeedForward).Select(half => half.ToString()!));
        var blocks = tried.Blocks(Layer);
        Assert.Equal(12, blocks.Count);
        Assert.Equal(new BlockVariant(Layer.Mixer, Layer.FeedForward), blocks[0]);
        Assert.Equal(blocks.Count, blocks.Distinct().Count());
    }

    [Fact]
    public void A_kind_that_is_not_named_is_tried_whole()
    {
        using var small = Parent(Layer);
        var tried = TriedVariants.Parse("ffn:none", "--variants", small.Configuration);
        Assert.Equal(VariantGrid.Mixers(Layer.Mixer), tried.Mixers(Layer.Mixer));
        Assert.Equal(2, tried.FeedForwards(Layer.FeedForward).Count);
    }

    [Fact]
    public void A_layer_gets_what_can_be_made_from_its_own_halves()
    {
        var bare = new LayerConfiguration(new NoMixerConfiguration(), new LinearFeedForwardConfiguration());
        using var small = Parent(Layer, bare);
        var tried = TriedVariants.Parse("attention:kv2,linear,none ffn:25%,linear", "--variants", small.Configuration);
        Assert.Equal([bare.Mixer], tried.Mixers(bare.Mixer));
        Assert.Equal([bare.FeedForward], tried.FeedForwards(bare.FeedForward));
        Assert.Equal(4, tried.Mixers(Layer.Mixer).Count);
    }

    [Theory]
    [InlineData("kv4")]
    [InlineData("attention:kv3")]
    [InlineData("attention:kv16")]
    [InlineData("attention:")]
    [InlineData("attention:none attention:kv4")]
    [InlineData("ffn:0%")]
    [InlineData("ffn:101%")]
    [InlineData("ffn:ffn161")]
    [InlineData("ffn:half")]
    [InlineData("")]
    public void What_no_layer_can_have_is_refused(string text)
    {
        using var small = Parent(Layer);
        var error = Assert.Throws<ArgumentException>(() => TriedVariants.Parse(text, "--variants", small.Configuration));
        Assert.StartsWith("--variants", error.Message, StringComparison.Ordinal);
    }

    private static SmallParent Parent(params LayerConfiguration[] layers) => SmallParent.Of(
        [.. layers.Select(layer => layer.Mixer is AttentionConfiguration ? layer : layer with { FeedForward = new LinearFeedForwardConfiguration() })]);
}
