using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tests.Tables;

public sealed class VariantFilterTests
{
    [Theory]
    [InlineData("0-1", 0, "kv4 ffn512", true)]
    [InlineData("0-1", 0, "kv4 none", false)]
    [InlineData("0-1", 2, "kv4 ffn512", false)]
    [InlineData("attention:none@0,3", 3, "none ffn100", true)]
    [InlineData("mixer:none", 4, "none none", true)]
    [InlineData("attention:parent", 4, "kv4 none", true)]
    [InlineData("attention:kv*", 4, "kv1 none", true)]
    [InlineData("attention:kv*", 4, "linear none", false)]
    [InlineData("ffn:ffn100@2", 2, "kv4 ffn100", true)]
    [InlineData("kv1 ffn100@2-4", 3, "kv1 ffn100", true)]
    [InlineData("parent@1", 1, "kv4 ffn512", true)]
    public void A_selector_names_halves_blocks_and_layers(string text, int layer, string variant, bool expected)
    {
        string[] labels = variant.Split(' ');
        Assert.Equal(expected, VariantSelector.Parse(text, "--pin").Matches(layer, ("kv4", "ffn512"), (labels[0], labels[1])));
    }

    [Theory]
    [InlineData("")]
    [InlineData("attention")]
    [InlineData("attention:")]
    [InlineData("attention:none@")]
    [InlineData("attention:none@3-1")]
    [InlineData("head:none")]
    [InlineData("kv4 ffn512 x")]
    [InlineData("-3")]
    public void What_is_no_selector_is_refused_in_a_sentence(string text)
    {
        var error = Assert.Throws<ArgumentException>(() => VariantSelector.Parse(text, "--exclude"));
        Assert.StartsWith("--exclude", error.Message, StringComparison.Ordinal);
        Assert.Contains("expected attention:LABEL", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pins_keep_exclusions_drop_and_layers_outside_are_untouched()
    {
        var kept = Apply(["0-1", "attention:kv*@2"], ["ffn:none", "linear ffn100@4"]);
        Assert.Equal(["kv4 ffn512"], kept[0]);
        Assert.Equal(["kv4 ffn512"], kept[1]);
        Assert.Equal(["kv4 ffn512", "kv4 ffn100", "kv1 ffn512", "kv1 ffn100"], kept[2]);
        Assert.Equal(8, kept[3].Length);
        Assert.Equal(7, kept[4].Length);
        Assert.DoesNotContain("linear ffn100", kept[4]);
    }

    [Theory]
    [InlineData("attention:kv3", "", "attention:kv3: no variant is called so; there are the attentions kv4, kv1, linear, none and the feed-forwards ffn512, ffn100, none")]
    [InlineData("", "attention:none@7", "attention:none@7: there is no layer 7, expected 0 to 4")]
    [InlineData("3", "ffn:ffn512@3", "layer 3: the pins 3, the exclusions ffn:ffn512@3 leave no variant to choose")]
    public void What_fits_nothing_is_refused_with_what_there_is(string pin, string exclusion, string expected)
    {
        var error = Assert.Throws<ArgumentException>(() => Apply(pin.Length > 0 ? [pin] : [], exclusion.Length > 0 ? [exclusion] : []));
        Assert.Equal(expected, error.Message);
    }

    [Theory]
    [InlineData("llama", "kv4 ffn512,kv4 ffn100,kv4 none,kv1 ffn512,kv1 ffn100,kv1 none,none ffn512,none ffn100,none none")]
    [InlineData("gguf", "kv4 ffn512,kv4 ffn100,kv4 none,kv1 ffn512,kv1 ffn100,kv1 none,linear ffn512,linear ffn100,linear none,none ffn512,none ffn100,none none")]
    [InlineData("vllm", "kv4 ffn512,kv4 none,kv1 ffn512,kv1 none,none ffn512,none none")]
    public void A_form_keeps_what_it_can_hold(string form, string expected)
    {
        var tables = SampleTables.Create(1);
        var kept = Kept(tables, new VariantFilter([], [], LoadableForm.Parse(form)));
        Assert.Equal(expected.Split(','), kept[3]);
        // vLLM's loader needs attention in the first layer.
        Assert.Equal(form == "vllm" ? expected.Split(',').Where(label => !label.StartsWith("none", StringComparison.Ordinal)) : expected.Split(','), kept[0]);
    }

    [Fact]
    public void Linear_feed_forwards_windows_and_norms_of_heads_are_held_by_no_form()
    {
        var attention = new HalfSize(HalfKind.Attention, 1, 1, 1);
        var feedForward = new HalfSize(HalfKind.FeedForward, 1, 1, 0) { Width = 256 };
        foreach (var form in LoadableForm.All)
        {
            Assert.True(form.Holds(0, attention, feedForward));
            Assert.False(form.Holds(0, attention, new HalfSize(HalfKind.Linear, 1, 1, 0)));
            Assert.False(form.Holds(0, attention with { HasWindow = true }, feedForward));
            Assert.False(form.Holds(0, attention with { HasHeadNorms = true }, feedForward));
            Assert.Equal(form.Name != "vllm", form.Holds(0, attention with { HasPartialBiases = true }, feedForward));
        }
    }

    [Fact]
    public void Gguf_needs_heads_that_fill_the_stream_and_says_so()
    {
        var filter = new VariantFilter([], [], LoadableForm.Parse("gguf"));
        var tables = SampleTables.Create(1);
        Assert.StartsWith(
            "--loadable gguf: layers of different shapes need heads of hidden_size / heads",
            Assert.Throws<ArgumentException>(() => filter.Apply(tables with { Shape = new TableShape(64, 4, 32) })).Message, StringComparison.Ordinal);
        Assert.StartsWith(
            "--loadable gguf: the tables do not tell", Assert.Throws<ArgumentException>(() => filter.Apply(tables with { Shape = null })).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => LoadableForm.Parse("onnx"));
    }

    private static List<string[]> Apply(string[] pins, string[] exclusions) => Kept(SampleTables.Create(1), new VariantFilter(
        [.. pins.Select(pin => VariantSelector.Parse(pin, "--pin"))], [.. exclusions.Select(text => VariantSelector.Parse(text, "--exclude"))]));

    private static List<string[]> Kept(SearchTables tables, VariantFilter filter) =>
        [.. filter.Apply(tables).Select((indices, layer) => indices.Select(index => tables.Layers[layer].Variants[index].Label).ToArray())];
}
