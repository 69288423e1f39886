using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests;

/// <summary>Padding keeps a batch, adds tokens without weight, and uses its arrays again.</summary>
public sealed class BatchPaddingTests
{
    [Fact]
    public void A_padded_batch_begins_with_the_batch_and_ends_with_tokens_without_weight()
    {
        var padding = new BatchPadding();
        var random = new Random(5);
        for (int turn = 0; turn < 200; turn++)
        {
            int[] lengths = [.. Enumerable.Range(0, 1 + random.Next(9)).Select(_ => 1 + random.Next(300))];
            int tokens = lengths.Sum();
            var batch = new PackedBatch(Numbers(tokens), lengths, Numbers(tokens), [.. Numbers(tokens).Select(n => (float)n)]);
            var (padded, extent) = padding.Pad(batch);
            Assert.Equal(extent.Rows, padded.Ids.Length);
            Assert.Equal(extent.Rows, padded.Lengths.Sum());
            Assert.InRange(padded.Lengths.Length, lengths.Length, extent.Documents);
            Assert.InRange(padded.Lengths.Max(), lengths.Max(), extent.Longest);
            Assert.Equal(lengths.Max(), padded.Lengths.Max());
            Assert.Equal(lengths, padded.Lengths[..lengths.Length]);
            Assert.Equal(batch.Ids, padded.Ids[..tokens]);
            Assert.Equal(batch.Targets, padded.Targets[..tokens]);
            Assert.Equal(batch.Weights, padded.Weights[..tokens]);
            Assert.All(padded.Weights[tokens..], weight => Assert.Equal(0, weight));
            Assert.All(padded.Ids[tokens..], id => Assert.Equal(0, id));
            Assert.Equal(batch.WeightSum, padded.WeightSum);
        }

        int[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => 1 + random.Next(1000))];
    }

    [Fact]
    public void Sizes_seen_before_allocate_nothing()
    {
        var padding = new BatchPadding();
        PackedBatch[] batches = [.. new[] { 70, 131, 300 }.Select(tokens => new PackedBatch(new int[tokens], [tokens - 9, 9], new int[tokens], new float[tokens]))];
        Pad();
        Pad();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Pad();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Pad()
        {
            foreach (var batch in batches)
            {
                Assert.NotSame(batch, padding.Pad(batch).Batch);
            }
        }
    }
}
