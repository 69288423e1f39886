using Tessera.Training.Data.Shards;

namespace Tessera.Training.Tests.Data;

public sealed class ShardDocumentsTests : IDisposable
{
    private const int Vocabulary = 70_000;
    private readonly ShardFiles _files = new();

    [Theory]
    [InlineData(null, 2)]
    [InlineData(null, 7)]
    [InlineData(0, 2)]
    [InlineData(0, 7)]
    [InlineData(0, 1000)]
    public void A_pass_holds_every_piece_that_plain_text_would_be_cut_into(int? begin, int maxLength)
    {
        int[][] documents = ShardFiles.Documents(Vocabulary, 1, [.. Enumerable.Range(0, 300).Select(i => 1 + (i * 37 % 50))]);
        using var first = TokenShard.Open(_files.Write("a.tokens", ShardFiles.Layout(Vocabulary), documents[..200]));
        using var none = TokenShard.Open(_files.Write("b.tokens", ShardFiles.Layout(Vocabulary)));
        using var second = TokenShard.Open(_files.Write("c.tokens", ShardFiles.Layout(Vocabulary), documents[200..]));
        var source = new ShardDocuments([first, none, second], begin, maxLength, 5);
        var expected = documents.SelectMany(document => Pieces(document, begin, maxLength)).ToList();
        Assert.Equal(expected.Count, source.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i], source.Piece(i));
        }

        // A pass in its order is the same set, another pass another order, and both are found again by their number.
        string[] Pass(long pass) => [.. Enumerable.Range(0, expected.Count).Select(i => string.Join(',', source.Get((pass * source.Count) + i).Ids))];
        Assert.Equal(expected.Select(ids => string.Join(',', ids)).Order(StringComparer.Ordinal), Pass(0).Order(StringComparer.Ordinal));
        Assert.Equal(Pass(0).Order(StringComparer.Ordinal), Pass(3).Order(StringComparer.Ordinal));
        Assert.NotEqual(Pass(0), Pass(3));
        Assert.Equal(source.Get(17).Ids, new ShardDocuments([first, none, second], begin, maxLength, 5).Get(17).Ids);
    }

    [Fact]
    public void A_begin_token_that_is_stored_is_not_doubled()
    {
        using var shard = TokenShard.Open(_files.Write("a.tokens", ShardFiles.Layout(300, begin: 9), [9, 1, 2, 3, 4], [9], [9, 5]));
        var pieces = new ShardDocuments([shard], 9, 4, 1);
        Assert.Equal(3, pieces.Count);
        Assert.Equal<int[]>([[9, 1, 2, 3], [9, 4], [9, 5]], [.. Enumerable.Range(0, 3).Select(i => pieces.Piece(i))]);

        // A model without a begin token reads it as any other token.
        Assert.Equal([9, 1, 2, 3], new ShardDocuments([shard], null, 4, 1).Piece(0));
        var error = Assert.Throws<InvalidDataException>(() => new ShardDocuments([shard], 8, 4, 1));
        Assert.Contains("begin is 9, but the model's begin token is 8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shards_without_a_single_prediction_are_refused()
    {
        using var shard = TokenShard.Open(_files.Write("a.tokens", ShardFiles.Layout(300), [1], [2]));
        Assert.Contains("fewer than two tokens", Assert.Throws<InvalidDataException>(() => new ShardDocuments([shard], null, 8, 1)).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _files.Dispose();

    private static IEnumerable<int[]> Pieces(int[] document, int? begin, int maxLength)
    {
        int room = begin is null ? maxLength : maxLength - 1;
        int[] lead = begin is { } id ? [id] : [];
        return document.Chunk(room).Select(chunk => (int[])[.. lead, .. chunk]).Where(piece => piece.Length >= 2);
    }
}
