using Tessera.Alignment.Health;

namespace Tessera.Alignment.Tests;

public class HealthGatesTests
{
    private static readonly HealthReading Well = new(1, 0.3, 1.001, 0.01, 0.4, 0.6, 0.05, 0.3);

    public static TheoryData<HealthCause, HealthReading, int, string> Faults => new()
    {
        { HealthCause.NonFiniteGradient, Well with { GradientNorm = double.NaN }, 1, "NaN" },
        { HealthCause.NonFiniteGradient, Well with { GradientNorm = double.PositiveInfinity }, 1, "finite" },
        { HealthCause.LogProbGap, Well with { LogProbGap = 1.3 }, 3, "1.3" },
        { HealthCause.LogProbGap, Well with { LogProbGap = double.NaN }, 3, "NaN" },
        { HealthCause.Divergence, Well with { Divergence = 2.5 }, 3, "2.5" },
        { HealthCause.EntropyCollapse, Well with { Entropy = 1e-6 }, 5, "1E-06" },
        { HealthCause.Truncation, Well with { TruncatedShare = 1 }, 10, "cut off" },
        { HealthCause.DeadGroups, Well with { DeadShare = 1 }, 10, "equal rewards" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Each_fault_stops_a_run_by_its_name_once_patience_is_over(HealthCause cause, HealthReading fault, int patience, string text)
    {
        var gates = new HealthGates(new HealthSettings());
        for (int step = 1; step < patience; step++)
        {
            Assert.Null(gates.Observe(fault with { Step = step }));
        }

        // One good step starts the count again.
        Assert.Null(gates.Observe(Well with { Step = patience }));
        for (int step = 1; step < patience; step++)
        {
            Assert.Null(gates.Observe(fault with { Step = patience + step }));
        }

        var verdict = gates.Observe(fault with { Step = 2 * patience });
        Assert.Equal(cause, verdict!.Cause);
        foreach (string part in (string[])[$"step {2 * patience}", cause.ToString(), text])
        {
            Assert.Contains(part, verdict.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_reward_that_falls_to_half_of_its_best_is_a_collapse()
    {
        var settings = new HealthSettings { RewardWindow = 4, Reward = new GateLimit(0.5, 2) };
        var gates = new HealthGates(settings);
        double[] rewards = [0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0, 0, 0, 0, 0];
        var verdicts = rewards.Select((reward, step) => gates.Observe(Well with { Step = step, Reward = reward })).ToArray();

        // Moving means behind the best of 0.8: 0.6, 0.4, 0.2 (ratio 0.25), 0 (ratio 0): the second step below a half is step 10.
        Assert.Equal(10, Array.FindIndex(verdicts, verdict => verdict is not null));
        Assert.Equal(HealthCause.RewardCollapse, verdicts[10]!.Cause);
        Assert.Contains("share of its best is 0", verdicts[10]!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_never_earned_anything_has_not_collapsed()
    {
        var gates = new HealthGates(new HealthSettings());
        Assert.All(Enumerable.Range(0, 50), step => Assert.Null(gates.Observe(Well with { Step = step, Reward = 0 })));
    }

    [Fact]
    public void No_patience_switches_a_gate_off()
    {
        var gates = new HealthGates(new HealthSettings { LogProbGap = new GateLimit(1.05, 0) });
        Assert.All(Enumerable.Range(0, 20), step => Assert.Null(gates.Observe(Well with { Step = step, LogProbGap = 9 })));
    }

    [Fact]
    public void Showing_the_readings_again_brings_back_the_state()
    {
        HealthReading[] readings = [.. Enumerable.Range(0, 30).Select(step => Well with { Step = step, Reward = step < 15 ? 0.9 : 0.1 })];
        var whole = new HealthGates(new HealthSettings());
        int stop = Array.FindIndex(readings, reading => whole.Observe(reading) is not null);
        Assert.InRange(stop, 16, 29);
        var resumed = new HealthGates(new HealthSettings());
        Assert.All(readings[..(stop - 1)], reading => Assert.Null(resumed.Observe(reading)));
        Assert.Null(resumed.Observe(readings[stop - 1]));
        Assert.NotNull(resumed.Observe(readings[stop]));
    }
}
