using Tessera.Models.Configuration;
using Tessera.Puzzle.Fusion;
using static Tessera.Puzzle.Tests.Fusion.LayerFusionTests;

namespace Tessera.Puzzle.Tests.Fusion;

public class FusionRunsTests
{
    private static readonly LayerConfiguration Empty = new(new NoMixerConfiguration(), new NoFeedForwardConfiguration());
    private static readonly LayerConfiguration Linear = new(new NoMixerConfiguration(), new LinearFeedForwardConfiguration());

    [Theory]
    [InlineData("3-6,8-11", "3-6,8-11")]
    [InlineData(" 3-6 , 7 ", "3-6,7")]
    [InlineData("0-0", "0")]
    public void Runs_are_read_as_they_are_written(string text, string expected) =>
        Assert.Equal(expected, string.Join(',', FusionRun.ParseList(text)));

    [Theory]
    [InlineData("")]
    [InlineData("6-3")]
    [InlineData("3-")]
    [InlineData("-3")]
    [InlineData("1-2-3")]
    [InlineData("3-6,")]
    [InlineData("a")]
    [InlineData("1-99999999999")]
    public void Other_texts_are_refused(string text) => Assert.Contains(
        "expected FIRST-LAST", Assert.Throws<ArgumentException>(() => FusionRun.ParseList(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Longest_runs_without_mixers_are_found_and_their_last_feed_forward_left_alone()
    {
        var model = Model(Attention(8), Ffn(8), Ffn(8), Ffn(8), Attention(8), Ffn(8), Ffn(8), Linear, Ffn(8), Ffn(8), Ffn(8));
        Assert.Equal("1-2,8-9", Found(model, new()));
        Assert.Equal("1-3,5-6,8-10", Found(model, new() { FusesLast = true }));
    }

    [Fact]
    public void Empty_layers_do_not_part_a_run()
    {
        var model = Model(Empty, Ffn(8), Empty, Empty, Ffn(8), Empty, Attention(8), Ffn(8), Empty);
        Assert.Equal("1-4", Found(model, new() { FusesLast = true }));
        Assert.Equal(string.Empty, Found(model, new()));
    }

    [Fact]
    public void Runs_are_cut_where_the_fused_width_would_be_too_large()
    {
        var model = Model(Ffn(10), Ffn(10), Ffn(20), Ffn(30), Ffn(10), Ffn(20), Ffn(1));
        Assert.Equal("0-2,3-4", Found(model, new() { MaxWidth = 40 }));
        Assert.Equal("0-5", Found(model, new() { MaxWidth = 100 }));
        Assert.Equal(string.Empty, Found(model, new() { MaxWidth = 19 }));
    }

    [Fact]
    public void Runs_are_cut_where_a_layer_depends_on_any_of_the_run()
    {
        var model = Model(Ffn(8), Ffn(8), Ffn(8), Ffn(8), Ffn(8));
        double?[,] values = new double?[5, 5];
        for (int i = 0; i < 5; i++)
        {
            for (int j = i + 1; j < 5; j++)
            {
                values[i, j] = 0.1;
            }
        }

        values[0, 2] = 0.3;
        var dependency = Matrix(values);
        Assert.Equal("0-1,2-3", Found(model, new() { Threshold = 0.2 }, dependency));
        Assert.Equal("0-3", Found(model, new() { Threshold = 0.3 }, dependency));
        Assert.Equal(string.Empty, Found(model, new() { Threshold = 0.05 }, dependency));
        Assert.Contains(
            "needs data", Assert.Throws<ArgumentException>(() => Found(model, new() { Threshold = 0.2 })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0-1,1-2", "run 1-2: runs must be in order and have no layer in common")]
    [InlineData("3-4,0-1", "run 0-1: runs must be in order and have no layer in common")]
    [InlineData("5-9", "run 5-9: the model has layers 0 to 7")]
    [InlineData("1-2", "run 1-2: layer 2 has a mixer (kv2), which only the first layer of a run may have")]
    [InlineData("4-5", "run 4-5: layer 5 has the feed-forward linear, only SwiGLU can be fused")]
    [InlineData("6-7", "run 6-7: layer 7 has no feed-forward, a run must begin and end with one")]
    public void Runs_that_cannot_be_fused_are_refused(string runs, string sentence)
    {
        var model = Model(Ffn(8), Ffn(8), Attention(8), Ffn(8), Ffn(8), Linear, Ffn(8), Empty);
        var error = Assert.Throws<ArgumentException>(() => Found(model, new() { Runs = FusionRun.ParseList(runs) }));
        Assert.Equal(sentence, error.Message);
    }

    [Fact]
    public void Runs_chosen_by_hand_are_taken_as_they_are()
    {
        var model = Model(Attention(8), Ffn(8), Ffn(8), Attention(8), Ffn(8));
        Assert.Equal("0-2,3-4", Found(model, new() { Runs = FusionRun.ParseList("0-2,3-4") }));
    }

    private static string Found(ModelConfiguration model, FusionRunSettings settings, DependencyMatrix? dependency = null) =>
        string.Join(',', FusionRuns.Of(model, settings, dependency));

    private static ModelConfiguration Model(params LayerConfiguration[] layers)
    {
        using var small = SmallParent.Of(layers);
        return small.Configuration;
    }

    private static DependencyMatrix Matrix(double?[,] values) => new()
    {
        Documents = 1,
        Tokens = 1,
        Values = [.. Enumerable.Range(0, values.GetLength(0)).Select(i => (IReadOnlyList<double?>)
            [.. Enumerable.Range(0, values.GetLength(1)).Select(j => values[i, j])])],
    };
}
