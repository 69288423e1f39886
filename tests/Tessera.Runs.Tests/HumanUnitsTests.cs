using System.Globalization;

namespace Tessera.Runs.Tests;

public class HumanUnitsTests
{
    [Theory]
    [InlineData("40GiB", 42949672960)]
    [InlineData("512 MiB", 536870912)]
    [InlineData("1.5 GB", 1500000000)]
    [InlineData("0.5kib", 512)]
    [InlineData(" 4096 ", 4096)]
    [InlineData("7B", 7)]
    [InlineData("0.1TiB", 109951162778)]
    public void Sizes_are_read(string text, long bytes) => Assert.Equal(bytes, HumanUnits.ParseBytes(text, "memory"));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(1048575, "1 MiB")]
    [InlineData(42949672960, "40 GiB")]
    [InlineData(long.MaxValue, "8388608 TiB")]
    public void Sizes_are_printed(long bytes, string text) => Assert.Equal(text, HumanUnits.FormatBytes(bytes));

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("2s", 2)]
    [InlineData("1.5 h", 5400)]
    [InlineData("1h 30min", 5400)]
    [InlineData("1d2h3m4s", 93784)]
    [InlineData("250us", 0.00025)]
    public void Durations_are_read(string text, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), HumanUnits.ParseDuration(text, "wait"));

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(0.00085, "850 us")]
    [InlineData(0.0125, "12.5 ms")]
    [InlineData(0.5, "500 ms")]
    [InlineData(4.24, "4.2 s")]
    [InlineData(59.96, "1 min")]
    [InlineData(200, "3 min 20 s")]
    [InlineData(3599.6, "1 h")]
    [InlineData(7500, "2 h 5 min")]
    [InlineData(86399, "1 d")]
    [InlineData(273600, "3 d 4 h")]
    [InlineData(-2, "-2 s")]
    public void Durations_are_printed(double seconds, string text) =>
        Assert.Equal(text, HumanUnits.FormatDuration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("1.5M", 1500000)]
    [InlineData("300k", 300000)]
    [InlineData("8.03B", 8030000000)]
    [InlineData("4096", 4096)]
    public void Counts_are_read(string text, long count) => Assert.Equal(count, HumanUnits.ParseCount(text, "tokens"));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(950, "950")]
    [InlineData(1500, "1.5K")]
    [InlineData(999999, "1M")]
    [InlineData(4613000, "4.61M")]
    [InlineData(8030261248, "8.03B")]
    [InlineData(-70553706496, "-70.6B")]
    public void Counts_are_printed(long count, string text) => Assert.Equal(text, HumanUnits.FormatCount(count));

    [Theory]
    [InlineData("2x", 2)]
    [InlineData("150%", 1.5)]
    [InlineData("1.5", 1.5)]
    public void Ratios_are_read(string text, double ratio) => Assert.Equal(ratio, HumanUnits.ParseRatio(text, "speed"));

    [Fact]
    public void Ratios_and_shares_are_printed()
    {
        Assert.Equal("2.17x", HumanUnits.FormatRatio(2.1666));
        Assert.Equal("62.5%", HumanUnits.FormatShare(0.625));
    }

    [Theory]
    [InlineData("")]
    [InlineData("40")]
    [InlineData("-2s")]
    [InlineData("GiB")]
    [InlineData("1,5s")]
    [InlineData("1.2.3s")]
    [InlineData("2 fortnights")]
    [InlineData("2s and more")]
    [InlineData("1e3s")]
    [InlineData("999999999999999d")]
    public void What_is_no_duration_is_refused_in_a_sentence_with_the_field(string text)
    {
        var failure = Assert.Throws<InvalidDataException>(() => HumanUnits.ParseDuration(text, "--wait"));
        Assert.StartsWith($"--wait: '{text}' is ", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("40 giraffes")]
    [InlineData("40G")]
    [InlineData("-1")]
    [InlineData("9000000TiB")]
    [InlineData("99999999999999999999999999999TiB")]
    public void What_is_no_size_is_refused(string text) =>
        Assert.Throws<InvalidDataException>(() => HumanUnits.ParseBytes(text, "memory"));

    [Theory]
    [InlineData("1.5")]
    [InlineData("1.0005K")]
    [InlineData("x")]
    public void What_is_no_whole_count_is_refused(string text) =>
        Assert.Throws<InvalidDataException>(() => HumanUnits.ParseCount(text, "tokens"));

    [Fact]
    public void Printed_durations_and_sizes_can_be_read_again()
    {
        foreach (double seconds in new[] { 0.00085, 0.0125, 4.2, 200, 7500, 273600 })
        {
            string text = HumanUnits.FormatDuration(TimeSpan.FromSeconds(seconds));
            Assert.Equal(TimeSpan.FromSeconds(seconds), HumanUnits.ParseDuration(text, text));
        }

        Assert.Equal(1L << 35, HumanUnits.ParseBytes(HumanUnits.FormatBytes(1L << 35), "memory"));
    }

    [Fact]
    public void The_culture_of_the_thread_changes_nothing()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        var german = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        german.NumberFormat.NumberDecimalSeparator = ",";
        try
        {
            CultureInfo.CurrentCulture = german;
            Assert.Equal("1.5 KiB", HumanUnits.FormatBytes(1536));
            Assert.Equal("4.2 s", HumanUnits.FormatDuration(TimeSpan.FromSeconds(4.2)));
            Assert.Equal(1500000, HumanUnits.ParseCount("1.5M", "tokens"));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }
}
