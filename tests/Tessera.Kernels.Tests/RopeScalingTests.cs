using Tessera.Devices;

namespace Tessera.Kernels.Tests;

public unsafe class RopeScalingTests
{
    /// <summary>Values of the formula in double precision, computed apart from this program.</summary>
    [Theory]
    [InlineData(128, 1e6, 4, 32768, 10, 0.115478198)]
    [InlineData(128, 1e6, 4, 32768, 23, 0.00697830585)]
    [InlineData(128, 1e6, 4, 32768, 24, 0.00537532149)]
    [InlineData(128, 1e6, 4, 32768, 31, 0.000802959728)]
    [InlineData(128, 1e6, 4, 32768, 40, 4.44569853e-05)]
    [InlineData(128, 1e6, 4, 32768, 63, 3.1023444e-07)]
    [InlineData(64, 1e4, 2, 2048, 8, 0.1)]
    [InlineData(64, 1e4, 2, 2048, 9, 0.0721052124)]
    [InlineData(64, 1e4, 2, 2048, 14, 0.0136790724)]
    [InlineData(64, 1e4, 2, 2048, 21, 0.00118568685)]
    [InlineData(64, 1e4, 2, 2048, 31, 6.66760716e-05)]
    public void Yarn_frequencies_are_those_of_the_formula(int headDim, double theta, double factor, int original, int index, double expected) =>
        Assert.Equal(expected, RopeTable.InverseFrequencies(headDim, theta, new YarnRopeScaling(factor, original))[index], 6e-7 * expected);

    [Fact]
    public void Yarn_takes_other_borders_and_amplitudes()
    {
        Assert.Equal(1.138629436111989, new YarnRopeScaling(4, 100).Amplitude, 1e-15);
        Assert.Equal(1, new YarnRopeScaling(1, 100).Amplitude);
        Assert.Equal(1.5, new YarnRopeScaling(4, 100) { GivenAmplitude = 1.5 }.Amplitude);
        var odd = new YarnRopeScaling(2, 2048) { BetaFast = 16, BetaSlow = 2, Truncates = false };
        double[] frequencies = RopeTable.InverseFrequencies(64, 1e4, odd);
        Assert.Equal(0.00158113883, frequencies[20], 1e-9);
        Assert.NotEqual(frequencies, RopeTable.InverseFrequencies(64, 1e4, odd with { Truncates = true }));
    }

    [Fact]
    public void Linear_divides_and_dynamic_keeps_every_frequency()
    {
        double[] plain = RopeTable.InverseFrequencies(32, 10_000, null);
        Assert.Equal(plain.Select(f => f / 4), RopeTable.InverseFrequencies(32, 10_000, new LinearRopeScaling(4)));
        Assert.Equal(plain, RopeTable.InverseFrequencies(32, 10_000, new DynamicRopeScaling(2, 100)));
    }

    [Fact]
    public void The_amplitude_is_in_cosines_and_sines()
    {
        var scaling = new YarnRopeScaling(4, 64);
        using var table = new RopeTable(8, 10_000, scaling, 20);
        double[] frequencies = RopeTable.InverseFrequencies(8, 10_000, scaling);
        for (int p = 0; p < 20; p++)
        {
            for (int j = 0; j < 4; j++)
            {
                double angle = p * (float)frequencies[j];
                Assert.Equal(Math.Cos(angle) * scaling.Amplitude, table.Cosines[(p * 4) + j], 1e-6);
                Assert.Equal(Math.Sin(angle) * scaling.Amplitude, table.Sines[(p * 4) + j], 1e-6);
            }
        }
    }

    [Fact]
    public void Dynamic_scaling_ends_where_it_would_begin_to_act()
    {
        using var table = new RopeTable(8, 10_000, new DynamicRopeScaling(2, 100), 64);
        table.EnsurePositions(100);
        Assert.Equal(100, table.Positions);
        var error = Assert.Throws<ArgumentException>(() => table.EnsurePositions(101));
        Assert.Contains("supported up to 100", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scalings_without_meaning_are_refused()
    {
        RopeScaling[] bad =
        [
            new LinearRopeScaling(0), new LinearRopeScaling(double.NaN), new DynamicRopeScaling(2, 0), new YarnRopeScaling(0, 10),
            new YarnRopeScaling(2, 0), new YarnRopeScaling(2, 10) { BetaFast = 1, BetaSlow = 2 }, new YarnRopeScaling(2, 10) { BetaSlow = 0 },
            new YarnRopeScaling(2, 10) { GivenAmplitude = -1 }, new Llama3RopeScaling(8, 4, 4, 10),
        ];
        Assert.All(bad, scaling => Assert.Throws<ArgumentException>(scaling.Validate));
        Assert.Throws<ArgumentException>(() => RopeTable.InverseFrequencies(8, 1e-60, null));
    }
}
