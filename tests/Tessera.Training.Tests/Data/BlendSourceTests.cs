using Tessera.Training.Data;
using Tessera.Training.Data.Blends;

namespace Tessera.Training.Tests.Data;

public sealed class BlendSourceTests
{
    [Fact]
    public void Equal_lengths_are_dealt_as_the_published_greedy_rule_deals_them()
    {
        // Megatron-LM's blend of .5, .3, .2 over ten samples of one length.
        var blend = Blend([new(null, [0.5, 0.3, 0.2])], 1, 1, 1);
        Assert.Equal([0, 1, 2, 0, 1, 0, 2, 0, 1, 0], Enumerable.Range(0, 10).Select(i => Source(blend.Get(i))));
        Assert.Equal([5L, 3, 2], blend.Uses.Select(use => use.Documents));
    }

    [Fact]
    public void Shares_are_of_tokens_however_long_the_documents_of_a_source_are()
    {
        var blend = Blend([new(null, [3, 1, 0])], 100, 7, 50);
        long total = 0;
        for (int i = 0; total < 1_000_000; i++)
        {
            total += blend.Get(i).Ids.Length;
        }

        var uses = blend.Uses;
        Assert.InRange(uses[0].Tokens / (double)total, 0.7499, 0.7501);
        Assert.InRange(uses[1].Tokens / (double)total, 0.2499, 0.2501);
        Assert.Equal(0, uses[2].Documents);
        Assert.Equal(total, uses.Sum(use => use.Tokens));
        Assert.Equal(uses[0].Documents / 1000.0, uses[0].Epochs);
    }

    [Fact]
    public void A_phase_begins_with_the_first_document_behind_its_tokens_and_counts_from_there()
    {
        var blend = Blend([new(100, [1, 0]), new(200, [0, 1]), new(null, [1, 1])], 30, 30);
        int[] sources = [.. Enumerable.Range(0, 15).Select(i => Source(blend.Get(i)))];

        // 120 tokens pass the first border, 210 the second; from there on the two take turns.
        Assert.Equal([0, 0, 0, 0, 1, 1, 1], sources[..7]);
        Assert.Equal([0, 1, 0, 1, 0, 1, 0, 1], sources[7..]);
        Assert.Equal(2, blend.Phase);
    }

    [Fact]
    public void Documents_of_a_source_come_in_its_order_and_go_on_behind_one_pass()
    {
        var blend = new BlendSource([new BlendPart("a", new Numbered(0, 3), 4), new BlendPart("b", new Numbered(1, 2), 100)], [new(null, [1, 1])]);
        long[] next = [0, 0];
        for (int i = 0; i < 50; i++)
        {
            int[] ids = blend.Get(i).Ids;
            Assert.Equal(next[ids[0]]++, ids[1]);
        }

        Assert.True(blend.Uses[0].Epochs > 4, "four documents a pass were dealt more than four times over");
    }

    [Fact]
    public void Every_position_leads_to_what_an_uninterrupted_blend_deals()
    {
        BlendPhase[] phases = [new(500, [2, 1, 1]), new(900, [0, 1, 3]), new(null, [1, 1, 1])];
        var whole = Blend(phases, 13, 29, 5);
        var expected = Enumerable.Range(0, 150).Select(i => whole.Get(i).Ids).ToList();
        var other = Blend(phases, 13, 29, 5);
        for (int stop = 0; stop < 120; stop++)
        {
            // What a packer leaves behind: the document asked for last was taken, or did not fit and is the next.
            _ = stop > 0 ? other.Get(stop - 1) : null;
            string taken = other.PositionBefore(stop);
            _ = other.Get(stop);
            Assert.Equal(taken, other.PositionBefore(stop));
            var resumed = Blend(phases, 13, 29, 5);
            resumed.Restore(stop, taken);
            Assert.Equal(expected[stop..(stop + 30)], Enumerable.Range(stop, 30).Select(i => resumed.Get(i).Ids));
            Assert.Equal(taken, Position(Blend(phases, 13, 29, 5), stop));
        }

        // Going back without a position deals again from the beginning.
        Assert.Equal(expected[3], other.Get(3).Ids);
        Assert.Equal(expected[100], other.Get(100).Ids);
        Assert.Throws<ArgumentOutOfRangeException>(() => other.PositionBefore(7));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0;1,2,3")]
    [InlineData("0;1,10,10;1,10,10;1,10,10")]
    [InlineData("3;1,10,10;2,10,10")]
    [InlineData("0;1,10,10;1,10,10")]
    [InlineData("0;1,10,11;2,10,10")]
    [InlineData("0;-1,10,10;4,10,10")]
    [InlineData("0;9223372036854775807,1,1;4,1,1")]
    [InlineData("x;1,10,10;2,10,10")]
    public void Positions_of_another_blend_are_refused(string position)
    {
        var blend = Blend([new(null, [1, 1])], 10, 10);
        Assert.Throws<InvalidDataException>(() => blend.Restore(3, position));
        blend.Restore(3, "0;1,10,10;2,20,20");
        Assert.Equal(0, Source(blend.Get(3)));
    }

    [Fact]
    public void Phases_that_make_no_sense_are_refused()
    {
        Refused(new BlendPhase(null, [0, 0]));
        Refused(new BlendPhase(null, [1, -1]));
        Refused(new BlendPhase(null, [1, double.NaN]));
        Refused(new BlendPhase(null, [1]));
        Refused(new BlendPhase(100, [1, 1]));
        Refused(new BlendPhase(null, [1, 1]), new BlendPhase(null, [1, 1]));
        Refused(new BlendPhase(100, [1, 1]), new BlendPhase(100, [1, 1]), new BlendPhase(null, [1, 1]));
        Refused();
        static void Refused(params BlendPhase[] phases) => Assert.Throws<ArgumentException>(() => Blend(phases, 1, 1));
    }

    private static int Source(TokenDocument document) => document.Ids[0];

    private static string Position(BlendSource blend, int index)
    {
        _ = index > 0 ? blend.Get(index - 1) : null;
        return blend.PositionBefore(index);
    }

    private static BlendSource Blend(BlendPhase[] phases, params int[] lengths) => new(
        [.. lengths.Select((length, i) => new BlendPart($"source {i}", new Numbered(i, length), 1000))], phases);

    /// <summary>Documents of one length that say where they come from.</summary>
    private sealed class Numbered(int source, int length) : IDocumentSource
    {
        public TokenDocument Get(long index) => TokenDocument.Uniform([.. (int[])[source, (int)index], .. new int[Math.Max(0, length - 2)]]) is var document && length >= 2
            ? document
            : TokenDocument.Uniform([source]);
    }
}
