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
}
