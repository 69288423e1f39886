using Tessera.Alignment.Curriculum;
using Tessera.Devices;

namespace Tessera.Alignment.Tests;

public class CurriculumTests
{
    private static readonly double[] Bins = [0, 0.125, 0.25, 0.375, 0.5, 0.625];

    [Theory]
    [InlineData(15, 30, 0.3315, 0.6685)]
    [InlineData(27, 30, 0.7438, 0.9654)]
    [InlineData(450, 500, 0.8706, 0.9233)]
    [InlineData(433, 541, 0.7646, 0.8319)]
    [InlineData(6, 8, 0.409, 0.929)]
    [InlineData(0, 8, 0.0, 0.3244)]
    [InlineData(8, 8, 0.6756, 1.0)]
    public void Wilson_intervals_have_the_published_values(int correct, int samples, double low, double high)
    {
        var interval = new PassRate("x", correct, samples).Interval;
        Assert.Equal(low, interval.Low, 5e-4);
        Assert.Equal(high, interval.High, 5e-4);
    }

    [Fact]
    public void Prompts_that_are_solved_three_times_of_four_are_discarded_and_unsolved_ones_kept()
    {
        var kept = PassRate.Below(Enumerable.Range(0, 9).Select(correct => new PassRate($"{correct}", correct, 8)));
        Assert.Equal([0, 1, 2, 3, 4, 5], kept.Select(rate => rate.Correct));
    }

    [Theory]
    [InlineData(0.625, new[] { 0, 0, 0, 6, 25, 41 })]
    [InlineData(0.5, new[] { 0, 0, 4, 19, 31, 18 })]
    [InlineData(0.25, new[] { 4, 18, 29, 17, 4, 0 })]
    [InlineData(0.0, new[] { 41, 25, 6, 0, 0, 0 })]
    public void Quotas_have_the_published_values(double centre, int[] expected) =>
        Assert.Equal(expected, CurriculumPlan.Quotas(Bins, centre, 0.125, 72));

    [Fact]
    public void An_ample_supply_follows_the_gaussian_from_easy_to_hard()
    {
        var rates = Supply(900, 900, 900, 900, 900, 900, 300, 300, 300);
        var settings = Settings(72, 21);
        var plan = CurriculumPlan.Gaussian(rates, settings);
        Assert.Equal(21, plan.Count);
        AssertUsedAtMost(plan, 1, 72);
        Assert.Equal([0.625, 0.0], [plan[0].Centre!.Value, plan[20].Centre!.Value]);
        Assert.Equal([0, 0, 0, 6, 25, 41], Counts(plan[0]));
        Assert.Equal([0, 0, 4, 19, 31, 18], Counts(plan[4]));
        Assert.Equal([41, 25, 6, 0, 0, 0], Counts(plan[20]));
        Assert.All(plan.Zip(plan.Skip(1)), pair => Assert.True(pair.Second.MeanRate <= pair.First.MeanRate + 0.01));
        Assert.DoesNotContain(plan.SelectMany(batch => batch.Prompts), prompt => prompt.Rate >= 0.75);
    }

    [Fact]
    public void Any_supply_is_used_once_in_full_batches()
    {
        var random = new CounterRandom(8);
        for (int trial = 0; trial < 30; trial++)
        {
            int[] counts = [.. Enumerable.Range(0, 9).Select(_ => random.Next(0, 40))];
            int batch = random.Next(1, 12), usable = counts[..6].Sum();
            if (usable < batch)
            {
                continue;
            }

            var rates = Supply(counts);
            var settings = Settings(batch, usable / batch) with { Seed = (ulong)trial };
            foreach (var plan in (IReadOnlyList<PlannedBatch>[])[CurriculumPlan.Gaussian(rates, settings), CurriculumPlan.Random(rates, settings)])
            {
                Assert.Equal(usable / batch, plan.Count);
                AssertUsedAtMost(plan, 1, batch);
            }
        }
    }

    [Fact]
    public void Open_places_are_filled_from_the_largest_bins()
    {
        // The first batch aims at 5/8, of which there are 2: two of those, quotas of the others limited by 3, the rest from bin 0.
        var plan = CurriculumPlan.Gaussian(Supply(50, 0, 0, 0, 3, 2), Settings(20, 2));
        Assert.Equal([15, 0, 0, 0, 3, 2], Counts(plan[0]));
    }

    [Fact]
    public void More_uses_repeat_the_supply_only_when_it_was_used_once()
    {
        var rates = Supply(0, 0, 0, 10, 0, 0);
        var settings = Settings(10, 3) with { Uses = 3 };
        foreach (var plan in (IReadOnlyList<PlannedBatch>[])[CurriculumPlan.Gaussian(rates, settings), CurriculumPlan.Random(rates, settings)])
        {
            AssertUsedAtMost(plan, 3, 10);
            Assert.All(plan, batch => Assert.Equal(10, batch.Prompts.Distinct().Count()));
        }
    }

    [Fact]
    public void The_plan_depends_on_the_seed_alone_and_the_control_is_not_sorted()
    {
        var rates = Supply(60, 60, 60, 60, 60, 60);
        var settings = Settings(30, 12);
        Assert.Equal(Ids(CurriculumPlan.Gaussian(rates, settings)), Ids(CurriculumPlan.Gaussian(rates, settings)));
        Assert.NotEqual(Ids(CurriculumPlan.Gaussian(rates, settings)), Ids(CurriculumPlan.Gaussian(rates, settings with { Seed = 2 })));
        var random = CurriculumPlan.Random(rates, settings);
        Assert.All(random, batch => Assert.InRange(batch.MeanRate, 0.2, 0.43));
        Assert.All(random, batch => Assert.Null(batch.Centre));
    }

    [Fact]
    public void Too_small_a_supply_and_unequal_samples_are_refused_with_their_numbers()
    {
        var small = Assert.Throws<ArgumentException>(() => CurriculumPlan.Gaussian(Supply(3, 3, 0, 0, 0, 0, 9), Settings(4, 2)));
        Assert.Contains("needs 8 prompts", small.Message, StringComparison.Ordinal);
        Assert.Contains("6 of 15", small.Message, StringComparison.Ordinal);
        var unequal = Assert.Throws<ArgumentException>(
            () => CurriculumPlan.Gaussian([new PassRate("a", 1, 8), new PassRate("b", 1, 4)], Settings(1, 1)));
        Assert.Contains("prompt b has 4 samples", unequal.Message, StringComparison.Ordinal);
    }

    private static CurriculumSettings Settings(int prompts, int steps) => new() { BatchPrompts = prompts, Steps = steps, Seed = 1 };

    private static List<PassRate> Supply(params int[] counts) =>
        [.. counts.SelectMany((count, k) => Enumerable.Range(0, count).Select(i => new PassRate($"{k}-{i}", k, 8)))];

    private static int[] Counts(PlannedBatch batch) =>
        [.. Enumerable.Range(0, 6).Select(k => batch.Prompts.Count(prompt => prompt.Correct == k))];

    private static string[] Ids(IReadOnlyList<PlannedBatch> plan) => [.. plan.SelectMany(batch => batch.Prompts).Select(prompt => prompt.Id)];

    private static void AssertUsedAtMost(IReadOnlyList<PlannedBatch> plan, int uses, int batch)
    {
        Assert.All(plan, planned => Assert.Equal(batch, planned.Prompts.Count));
        Assert.All(Ids(plan).GroupBy(id => id), group => Assert.InRange(group.Count(), 1, uses));
    }
}
