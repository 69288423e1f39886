namespace Tessera.Evaluation.Tests;

public sealed class RatioEstimateTests
{
    [Fact]
    public void Documents_of_one_length_give_the_interval_of_a_mean()
    {
        // Values 11, 12, 13, 16: mean 13, sample variance 14/3, t with 3 degrees of freedom 3.182.
        var estimate = RatioEstimate.Of([(110, 10), (120, 10), (130, 10), (160, 10)]);

        Assert.Equal(13, estimate.Value, 1e-12);
        Assert.Equal(3.182 * Math.Sqrt(14.0 / 3 / 4), estimate.HalfWidth!.Value, 1e-12);
        Assert.Equal(estimate.Value - estimate.HalfWidth.Value, estimate.Low);
    }

    [Fact]
    public void An_interval_of_non_negative_numbers_does_not_go_below_zero() =>
        Assert.Equal(0, RatioEstimate.Of([(1, 10), (90, 10)]).Low);

    [Fact]
    public void A_constant_ratio_has_no_spread_whatever_the_lengths()
    {
        var estimate = RatioEstimate.Of([(2, 1), (20, 10), (8, 4)]);

        Assert.Equal(2, estimate.Value, 1e-12);
        Assert.Equal(0, estimate.HalfWidth!.Value, 1e-12);
    }

    [Fact]
    public void The_interval_covers_the_true_ratio_about_95_times_in_100()
    {
        var random = new Random(11);
        int covered = 0;
        for (int trial = 0; trial < 2000; trial++)
        {
            var pairs = Enumerable.Range(0, 40).Select(_ =>
            {
                double length = 50 + (100 * random.NextDouble());
                return (length * (1.5 + random.NextDouble() - 0.5), length);
            }).ToList();
            var estimate = RatioEstimate.Of(pairs);
            covered += estimate.Low <= 1.5 && estimate.High >= 1.5 ? 1 : 0;
        }

        // Five standard deviations of a binomial with p = 0.95 are 0.024; ratio estimates cover slightly less.
        Assert.InRange(covered / 2000.0, 0.92, 0.975);
    }

    [Fact]
    public void One_document_has_no_interval_and_none_no_ratio()
    {
        Assert.Null(RatioEstimate.Of([(3, 4)]).HalfWidth);
        Assert.Throws<ArgumentException>(() => RatioEstimate.Of([]));
    }
}
