using Tessera.Alignment.Advantages;
using Tessera.Devices;

namespace Tessera.Alignment.Tests;

public class GroupAdvantageTests
{
    /// <summary>Successes, failures, and the advantages of each by (estimator).</summary>
    public static TheoryData<int, int, AdvantageEstimator, double, double> Vectors => new()
    {
        { 1, 3, AdvantageEstimator.GroupStandardised, 1.5, -0.5 },
        { 2, 2, AdvantageEstimator.GroupStandardised, 0.8660, -0.8660 },
        { 3, 5, AdvantageEstimator.GroupStandardised, 1.2076, -0.7246 },
        { 1, 15, AdvantageEstimator.GroupStandardised, 3.75, -0.25 },
        { 1, 3, AdvantageEstimator.GroupStandardisedPopulation, 1.7321, -0.5774 },
        { 2, 2, AdvantageEstimator.GroupStandardisedPopulation, 1, -1 },
        { 3, 5, AdvantageEstimator.GroupStandardisedPopulation, 1.2910, -0.7746 },
        { 1, 3, AdvantageEstimator.LeaveOneOutSiblings, 1.0, -0.5774 },
        { 2, 2, AdvantageEstimator.LeaveOneOutSiblings, 1.1547, -1.1547 },
        { 3, 5, AdvantageEstimator.LeaveOneOutSiblings, 1.4639, -0.8018 },
        { 1, 15, AdvantageEstimator.LeaveOneOutSiblings, 1.0, -0.2582 },
        { 1, 3, AdvantageEstimator.LeaveOneOut, 1, -0.3333 },
        { 2, 2, AdvantageEstimator.LeaveOneOut, 0.6667, -0.6667 },
        { 3, 5, AdvantageEstimator.LeaveOneOut, 0.7143, -0.4286 },
        { 1, 15, AdvantageEstimator.LeaveOneOut, 1, -0.0667 },
        { 1, 3, AdvantageEstimator.Centred, 0.75, -0.25 },
        { 1, 3, AdvantageEstimator.LeaveOneOutStandardised, 2.0, -0.6667 },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Advantages_have_the_published_values(int right, int wrong, AdvantageEstimator estimator, double success, double failure)
    {
        double[] rewards = [.. Enumerable.Repeat(1.0, right), .. Enumerable.Repeat(0.0, wrong)];
        double[] advantages = GroupAdvantage.Of(rewards, estimator);
        Assert.All(advantages[..right], value => Assert.Equal(success, value, 5e-5));
        Assert.All(advantages[right..], value => Assert.Equal(failure, value, 5e-5));
    }

    [Theory]
    [InlineData(AdvantageEstimator.GroupStandardised)]
    [InlineData(AdvantageEstimator.GroupStandardisedPopulation)]
    [InlineData(AdvantageEstimator.LeaveOneOutStandardised)]
    [InlineData(AdvantageEstimator.Centred)]
    [InlineData(AdvantageEstimator.LeaveOneOut)]
    public void Advantages_of_any_group_sum_to_zero_and_keep_the_order_of_rewards(AdvantageEstimator estimator)
    {
        var random = new CounterRandom(4);
        for (int trial = 0; trial < 100; trial++)
        {
            double[] rewards = new double[random.Next(2, 20)];
            for (int i = 0; i < rewards.Length; i++)
            {
                rewards[i] = random.NextGaussian();
            }

            double[] advantages = GroupAdvantage.Of(rewards, estimator);
            Assert.Equal(0, advantages.Sum(), 1e-9);
            Assert.Equal(Order(rewards), Order(advantages));
            double[] shifted = GroupAdvantage.Of([.. rewards.Select(reward => reward + 5)], estimator);
            Assert.All(advantages.Zip(shifted), pair => Assert.Equal(pair.First, pair.Second, 1e-9));
        }

        static int[] Order(double[] values) => [.. Enumerable.Range(0, values.Length).OrderBy(i => values[i])];
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.0)]
    [InlineData(0.1)]
    public void Equal_rewards_are_a_dead_group_without_advantage(double reward)
    {
        double[] rewards = [.. Enumerable.Repeat(reward, 7)];
        Assert.True(GroupAdvantage.IsDead(rewards));
        Assert.All(Enum.GetValues<AdvantageEstimator>(), estimator => Assert.Equal(new double[7], GroupAdvantage.Of(rewards, estimator)));
        Assert.False(GroupAdvantage.IsDead([0, 0, 1]));
    }

    [Fact]
    public void One_response_has_nothing_to_be_compared_with() => Assert.Contains(
        "at least 2", Assert.Throws<ArgumentException>(() => GroupAdvantage.Of([1.0], AdvantageEstimator.Centred)).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData(LossAggregation.Token, 0.6)]
    [InlineData(LossAggregation.Sequence, 0.0)]
    [InlineData(LossAggregation.Constant, 0.1875)]
    public void Aggregates_of_a_short_right_and_a_long_wrong_answer_have_the_published_values(LossAggregation aggregation, double expected)
    {
        int[] lengths = [2, 8];
        double[] advantages = [1, -1];
        var weights = AggregationWeights.Of(aggregation, lengths, 16);
        double loss = Enumerable.Range(0, 2).Sum(i => -advantages[i] * lengths[i] * weights.TokenWeights[i]) / weights.Normaliser;
        Assert.Equal(expected, loss, 1e-6);
    }

    [Fact]
    public void Responses_that_are_left_out_count_nowhere()
    {
        foreach (var aggregation in Enum.GetValues<LossAggregation>())
        {
            var all = AggregationWeights.Of(aggregation, [3, 5], 9);
            var some = AggregationWeights.Of(aggregation, [3, 0, 5, 0], 9);
            Assert.Equal(all.Normaliser, some.Normaliser);
            Assert.Equal([all.TokenWeights[0], 0, all.TokenWeights[1], 0], some.TokenWeights);
            Assert.Equal(1, AggregationWeights.Of(aggregation, [0, 0], 9).Normaliser);
        }
    }
}
