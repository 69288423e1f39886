using Tessera.Devices;

namespace Tessera.Devices.Tests;

public class CounterRandomTests
{
    // Known answers of Random123's philox4x32-10: all-zero and all-one counter and key.
    [Fact]
    public void Philox_blocks_equal_the_published_answers()
    {
        Assert.Equal((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), CounterRandom.Block(0, 0, 0));
        Assert.Equal(
            (0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            CounterRandom.Block(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue));
    }

    [Fact]
    public void Bounded_draws_stay_in_range_and_reach_both_ends()
    {
        var random = new CounterRandom(7);
        var seen = new bool[6];
        for (int i = 0; i < 1000; i++)
        {
            seen[random.Next(6)] = true;
        }

        Assert.All(seen, Assert.True);
    }

    [Fact]
    public void Gaussians_have_mean_zero_and_unit_variance()
    {
        var random = new CounterRandom(11);
        double sum = 0, squares = 0;
        for (int i = 0; i < 100_000; i++)
        {
            double x = random.NextGaussian();
            sum += x;
            squares += x * x;
        }

        Assert.InRange(sum / 1e5, -0.02, 0.02);
        Assert.InRange(squares / 1e5, 0.98, 1.02);
    }
}
