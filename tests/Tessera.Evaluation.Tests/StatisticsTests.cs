using Tessera.Devices;
using Tessera.Evaluation.Statistics;

namespace Tessera.Evaluation.Tests;

public sealed class StatisticsTests
{
    [Theory]
    [InlineData(16, 4, 1, 0.25)]
    [InlineData(16, 4, 4, 0.728022)]
    [InlineData(16, 4, 8, 0.961538)]
    [InlineData(16, 1, 8, 0.5)]
    [InlineData(64, 3, 16, 0.584869)]
    [InlineData(8, 0, 8, 0)]
    [InlineData(8, 8, 1, 1)]
    [InlineData(4, 3, 2, 1)]
    public void Pass_at_k_has_the_published_values(int samples, int correct, int k, double expected) =>
        Assert.Equal(expected, SampleScores.PassAtK(samples, correct, k), 6);

    [Fact]
    public void Pass_at_k_is_the_mean_over_all_ways_to_draw()
    {
        for (int n = 1; n <= 8; n++)
        {
            for (int correct = 0; correct <= n; correct++)
            {
                for (int k = 1; k <= n; k++)
                {
                    int draws = 0, passes = 0;
                    for (int set = 0; set < 1 << n; set++)
                    {
                        if (int.PopCount(set) == k)
                        {
                            draws++;
                            passes += (set & ((1 << correct) - 1)) != 0 ? 1 : 0;
                        }
                    }

                    Assert.Equal((double)passes / draws, SampleScores.PassAtK(n, correct, k), 12);
                }
            }
        }
    }

    [Fact]
    public void Numbers_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => SampleScores.PassAtK(4, 5, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => SampleScores.PassAtK(4, 1, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => SampleScores.PassAtK(0, 0, 1));
    }

    [Fact]
    public void The_majority_wins_ties_are_shared_and_silence_does_not_vote()
    {
        Assert.Equal(1, SampleScores.Majority([("5", true), ("5", true), ("6", false)]));
        Assert.Equal(0, SampleScores.Majority([("5", true), ("6", false), ("6", false)]));
        Assert.Equal(0.5, SampleScores.Majority([("5", true), ("6", false)]));
        Assert.Equal(1, SampleScores.Majority([("5", true), (null, false), (null, false)]));
        Assert.Equal(0, SampleScores.Majority([(null, false)]));
        Assert.Equal(1 / 3.0, SampleScores.Majority([("5", true), ("6", false), ("7", false)]), 12);
    }

    [Theory]
    [InlineData(15, 30, 0.3315, 0.6685)]
    [InlineData(27, 30, 0.7438, 0.9654)]
    [InlineData(450, 500, 0.8706, 0.9233)]
    [InlineData(433, 541, 0.7646, 0.8319)]
    [InlineData(6, 8, 0.409, 0.929)]
    public void Wilsons_interval_has_the_published_values(int successes, int trials, double low, double high)
    {
        var share = new Proportion(successes, trials);
        Assert.Equal(low, share.Low, 0.0005);
        Assert.Equal(high, share.High, 0.0005);
    }

    [Fact]
    public void Wilsons_interval_stays_within_zero_and_one_and_shrinks()
    {
        Assert.Equal((0, 1), (new Proportion(0, 0).Low, new Proportion(0, 0).High));
        Assert.Equal(0, new Proportion(0, 10).Low);
        Assert.Equal(1, new Proportion(10, 10).High, 12);
        Assert.True(new Proportion(2000, 2000).Low > 0.998);
        Assert.True(new Proportion(10, 10).Low < new Proportion(100, 100).Low);
    }

    [Fact]
    public void A_mean_over_problems_covers_the_truth_in_about_ninety_five_of_a_hundred_sets()
    {
        var random = new CounterRandom(3, 1);
        int covered = 0;
        const int Sets = 2000;
        for (int set = 0; set < Sets; set++)
        {
            // Two samples a problem, as hard as the problem is: the noise of both kinds is in the spread of the means.
            double[] values = new double[200];
            for (int i = 0; i < values.Length; i++)
            {
                float chance = random.NextSingle();
                values[i] = ((random.NextSingle() < chance ? 1 : 0) + (random.NextSingle() < chance ? 1 : 0)) / 2.0;
            }

            var mean = ClusteredMean.Of(values);
            covered += mean.Low <= 0.5 && mean.High >= 0.5 ? 1 : 0;
        }

        Assert.InRange((double)covered / Sets, 0.93, 0.97);
    }

    [Fact]
    public void Paired_differences_are_sharper_than_differences_of_means()
    {
        double[] left = [.. Enumerable.Range(0, 100).Select(i => i % 2 == 0 ? 1.0 : 0)];
        double[] right = [.. left.Select((value, i) => i == 3 ? 1 - value : value)];
        var paired = ClusteredMean.OfDifferences(left, right);
        Assert.Equal(-0.01, paired.Mean, 12);
        Assert.True(paired.StandardError < ClusteredMean.Of(left).StandardError / 4);
        Assert.Throws<ArgumentException>(() => ClusteredMean.OfDifferences(left, right[1..]));
    }
}
