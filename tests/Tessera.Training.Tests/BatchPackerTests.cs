using Tessera.Training.Data;

namespace Tessera.Training.Tests;

public sealed class BatchPackerTests
{
    private const int Vocabulary = 50;

    [Fact]
    public void Batches_hold_whole_documents_in_order_and_cut_only_the_too_long()
    {
        var source = ListSource.OfLengths(Vocabulary, 5, 4, 12, 1, 0, 3, 2);
        var packer = new BatchPacker(source, 10, 8);
        Assert.Equal([5, 4], packer.Next().Lengths);
        Assert.Equal(2, packer.NextDocument);
        var second = packer.Next();
        Assert.Equal([8], second.Lengths);
        Assert.Equal(source.Get(2).Ids[..8], second.Ids);
        Assert.Equal([3, 2, 5], packer.Next().Lengths);
        Assert.Equal([4], packer.Next().Lengths);
    }

    [Fact]
    public void Targets_are_the_following_tokens_and_the_last_of_a_document_has_no_weight()
    {
        var packer = new BatchPacker(new ListSource(TokenDocument.Uniform([7, 8, 9]), new TokenDocument([1, 2, 3, 4], [9, 0, 0.5f, 2])), 7, 7);
        var batch = packer.Next();
        Assert.Equal([7, 8, 9, 1, 2, 3, 4], batch.Ids);
        Assert.Equal([8, 9, 0, 2, 3, 4, 0], batch.Targets);
        Assert.Equal([1, 1, 0, 0, 0.5f, 2, 0], batch.Weights);
        Assert.Equal(4.5, batch.WeightSum);
    }

    [Fact]
    public void A_packer_told_where_to_go_on_gives_what_it_would_have_given()
    {
        var source = ListSource.OfLengths(Vocabulary, 5, 4, 12, 1, 3, 2, 9);
        var whole = new BatchPacker(source, 11, 8);
        for (int i = 0; i < 5; i++)
        {
            whole.Next();
        }

        var resumed = new BatchPacker(source, 11, 8) { NextDocument = whole.NextDocument };
        for (int i = 0; i < 5; i++)
        {
            var (expected, actual) = (whole.Next(), resumed.Next());
            Assert.Equal(expected.Ids, actual.Ids);
            Assert.Equal(expected.Lengths, actual.Lengths);
        }
    }

    [Fact]
    public void A_source_without_a_single_prediction_is_refused_and_does_not_run_for_ever()
    {
        var error = Assert.Throws<InvalidDataException>(() => new BatchPacker(ListSource.OfLengths(Vocabulary, 1, 0, 1), 8, 8).Next());
        Assert.Contains("fewer than two tokens", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(8, 1)]
    [InlineData(0, -1)]
    public void Budgets_without_room_for_a_prediction_are_refused(int budget, int longest) =>
        Assert.Throws<ArgumentException>(() => new BatchPacker(ListSource.OfLengths(Vocabulary, 5), budget, longest));

    [Fact]
    public void A_document_of_exactly_the_budget_fits_uncut()
    {
        var packer = new BatchPacker(ListSource.OfLengths(Vocabulary, 6), 6, 100);
        Assert.Equal([6], packer.Next().Lengths);
        Assert.Equal([6], packer.Next().Lengths);
        Assert.Equal(2, packer.NextDocument);
    }
}
