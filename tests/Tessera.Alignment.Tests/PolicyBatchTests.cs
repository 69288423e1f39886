using Tessera.Alignment.Policy;

namespace Tessera.Alignment.Tests;

public class PolicyBatchTests
{
    [Fact]
    public void Every_token_of_a_response_is_predicted_by_the_row_in_front_of_it_and_no_token_of_a_prompt_is()
    {
        PolicyResponse[] responses =
        [
            new([1, 2, 3], [10, 11], [-0.1f, -0.2f], 2, 0.5f), new([4], [12, 13, 14], [-0.3f, -0.4f, -0.5f], -1, 0), new([5, 6], [15], [-0.6f], 3, 1f),
            new([5, 6], [], [], 3, 1f),
        ];
        var batch = Assert.Single(PolicyBatch.Pack(responses, 100));
        Assert.Equal([1, 2, 3, 10, 4, 12, 13, 5, 6], batch.Ids);
        Assert.Equal([4, 3, 2], batch.Lengths);
        Assert.Equal([0, 0, 10, 11, 12, 13, 14, 0, 15], batch.Targets);
        Assert.Equal([0, 0, 1, 1, 1, 1, 1, 0, 1f], batch.IsResponse);
        Assert.Equal([0, 0, 0.5f, 0.5f, 0, 0, 0, 0, 1], batch.Weights);
        Assert.Equal([0, 0, 2, 2, -1, -1, -1, 0, 3f], batch.Advantages);
        Assert.Equal([0, 0, -0.1f, -0.2f, -0.3f, -0.4f, -0.5f, 0, -0.6f], batch.EngineLogProbs);
    }

    [Fact]
    public void Micro_batches_keep_the_order_and_the_budget_and_a_long_document_has_one_to_itself()
    {
        int[] lengths = [3, 4, 30, 2, 5, 6];
        var batches = PolicyBatch.Pack(
            lengths.Select((length, i) => new PolicyResponse([i], new int[length], new float[length], 0, 1)), 10);
        Assert.Equal([[3, 4], [30], [2, 5], [6]], batches.Select(batch => batch.Lengths));
        Assert.Equal([0, 1, 2, 3, 4, 5], batches.SelectMany(batch => Starts(batch)));

        static IEnumerable<int> Starts(PolicyBatch batch)
        {
            int start = 0;
            foreach (int length in batch.Lengths)
            {
                yield return batch.Ids[start];
                start += length;
            }
        }
    }

    [Fact]
    public void The_gap_has_its_formula_and_a_correction_its_bounds()
    {
        var batch = PolicyBatch.Pack([new PolicyResponse([1], [2, 3, 4], [-1f, -1f, -1f], 1, 0)], 10)[0];
        new float[] { -1f, -1f + MathF.Log(4), -1f - MathF.Log(5) }.CopyTo(batch.OldLogProbs, 0);
        var gap = LogProbGap.Of([batch], 0.5, 2);
        Assert.Equal((1 + 4 + 5) / 3.0, gap.MeanFactor, 1e-6);
        Assert.Equal(Math.Log(5), gap.Largest, 1e-6);
        Assert.Equal((4 - 1 - Math.Log(4) + 0.2 - 1 + Math.Log(5)) / 3, gap.Divergence, 1e-6);
        Assert.Equal((2.0 / 3, 3L), (gap.OutsideShare, gap.Tokens));
        Assert.Null(LogProbGap.Corrections(batch, OffPolicyCorrection.None, 0.5, 2));
        AssertClose([1, 2, 0.2f], LogProbGap.Corrections(batch, OffPolicyCorrection.Truncate, 0.5, 2)!);
        AssertClose([1, 0, 0], LogProbGap.Corrections(batch, OffPolicyCorrection.Mask, 0.5, 2)!);
        batch.OldLogProbs[1] = float.NaN;
        Assert.True(double.IsNaN(LogProbGap.Of([batch], 0.5, 2).MeanFactor));
        Assert.Equal(0f, LogProbGap.Corrections(batch, OffPolicyCorrection.Truncate, 0.5, 2)![1]);

        static void AssertClose(float[] expected, float[] actual) =>
            Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
    }
}
