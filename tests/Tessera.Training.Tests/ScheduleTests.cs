namespace Tessera.Training.Tests;

public sealed class ScheduleTests
{
    private const int Warmup = 10;
    private const int Total = 110;

    [Theory]
    [InlineData(ScheduleShape.Constant)]
    [InlineData(ScheduleShape.Cosine)]
    [InlineData(ScheduleShape.Linear)]
    [InlineData(ScheduleShape.Wsd)]
    public void Warm_up_rises_in_equal_steps_to_the_peak_and_falls_never_below_the_floor(ScheduleShape shape)
    {
        var schedule = new LearningRateSchedule(shape, 1e-3, 1e-4, Warmup, Total);
        Assert.Equal(1e-4, schedule.At(0), 1e-15);
        Assert.Equal(5e-4, schedule.At(4), 1e-15);
        Assert.Equal(1e-3, schedule.At(Warmup - 1), 1e-15);
        Assert.Equal(1e-3, schedule.At(Warmup), 1e-15);
        for (int step = Warmup; step < Total + 20; step++)
        {
            Assert.InRange(schedule.At(step + 1), 1e-4 - 1e-15, schedule.At(step) + 1e-15);
        }

        double end = shape == ScheduleShape.Constant ? 1e-3 : 1e-4;
        Assert.Equal(end, schedule.At(Total), 1e-15);
        Assert.Equal(end, schedule.At(Total + 1000), 1e-15);
    }

    [Theory]
    [InlineData(ScheduleShape.Cosine, 35, 0.1 + (0.9 * 0.8535533905932737))]
    [InlineData(ScheduleShape.Cosine, 60, 0.55)]
    [InlineData(ScheduleShape.Linear, 35, 0.775)]
    [InlineData(ScheduleShape.Linear, 60, 0.55)]
    [InlineData(ScheduleShape.Wsd, 90, 1.0)]
    [InlineData(ScheduleShape.Wsd, 100, 0.55)]
    public void Shapes_pass_through_their_known_points(ScheduleShape shape, int step, double expected) =>
        Assert.Equal(expected, new LearningRateSchedule(shape, 1, 0.1, Warmup, Total).At(step), 1e-12);

    [Fact]
    public void A_run_without_warm_up_starts_at_the_peak_and_one_of_warm_up_alone_never_passes_it()
    {
        Assert.Equal(1, new LearningRateSchedule(ScheduleShape.Cosine, 1, 0, 0, 10).At(0));
        Assert.Equal(0.5, new LearningRateSchedule(ScheduleShape.Linear, 1, 0, 10, 10).At(4));
        Assert.Equal(1, new LearningRateSchedule(ScheduleShape.Linear, 1, 0, 10, 10).At(10));
    }

    [Fact]
    public void Wsd_falls_in_the_last_share_it_is_given()
    {
        var half = new LearningRateSchedule(ScheduleShape.Wsd, 1, 0, Warmup, Total) { DecayShare = 0.5 };
        Assert.Equal([1, 1, 0.5, 0], ((int[])[10, 60, 85, 110]).Select(half.At), (a, b) => Math.Abs(a - b) < 1e-12);
        var whole = half with { DecayShare = 1 };
        var linear = half with { Shape = ScheduleShape.Linear };
        Assert.All(Enumerable.Range(0, Total + 5), step => Assert.Equal(linear.At(step), whole.At(step), 1e-12));

        // Without a decay it is constant, to its end and beyond.
        var none = half with { DecayShare = 0 };
        Assert.All(Enumerable.Range(Warmup, Total), step => Assert.Equal(1, none.At(step)));
    }

    [Theory]
    [InlineData(ScheduleShape.Constant)]
    [InlineData(ScheduleShape.Cosine)]
    [InlineData(ScheduleShape.Linear)]
    [InlineData(ScheduleShape.Wsd)]
    public void Runs_of_one_step_and_of_none_have_finite_rates_within_floor_and_peak(ScheduleShape shape)
    {
        foreach (int total in (int[])[0, 1, 2])
        {
            foreach (int warmup in Enumerable.Range(0, total + 1))
            {
                var schedule = new LearningRateSchedule(shape, 1e-3, 1e-4, warmup, total);
                Assert.All(Enumerable.Range(0, 4), step => Assert.InRange(schedule.At(step), 1e-4 - 1e-15, 1e-3 + 1e-15));
            }
        }
    }
}
