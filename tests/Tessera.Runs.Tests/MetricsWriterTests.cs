namespace Tessera.Runs.Tests;

public sealed class MetricsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_are_json_lines_and_read_back_exactly()
    {
        using (MetricsWriter metrics = MetricsWriter.Open(_folder["metrics"]))
        {
            metrics.Write(1, ("loss", 0.1 + 0.2), ("rate", 5));
            metrics.Write(2, ("loss", double.NaN), ("rate", double.NegativeInfinity));
        }

        Assert.Equal("{\"step\":1,\"loss\":0.30000000000000004,\"rate\":5}", File.ReadLines(_folder["metrics"]).First());
        MetricsRow[] rows = [.. MetricsWriter.Read(_folder["metrics"])];
        Assert.Equal([1, 2], rows.Select(row => row.Step));
        Assert.Equal(0.1 + 0.2, rows[0].Values["loss"]);
        Assert.Equal(double.NaN, rows[1].Values["loss"]);
        Assert.Equal(double.NegativeInfinity, rows[1].Values["rate"]);
    }

    [Fact]
    public void A_resumed_run_drops_the_rows_that_it_will_write_again()
    {
        using (MetricsWriter metrics = MetricsWriter.Open(_folder["metrics"]))
        {
            for (int step = 0; step < 10; step++)
            {
                metrics.Write(step, ("loss", step));
            }
        }

        File.AppendAllText(_folder["metrics"], "{\"step\":10,\"lo");
        using (MetricsWriter metrics = MetricsWriter.Open(_folder["metrics"], firstStep: 7))
        {
            metrics.Write(7, ("loss", 70));
        }

        MetricsWriter.Open(_folder["metrics"]).Dispose();
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 70], MetricsWriter.Read(_folder["metrics"]).Select(row => row.Values["loss"]));
    }

    [Theory]
    [InlineData("{\"loss\":1}", "line 1 has no whole number 'step'")]
    [InlineData("{\"step\":1.5}", "line 1 has no whole number 'step'")]
    [InlineData("{\"step\":1,\"loss\":\"low\"}", "line 1, field 'loss' is not a number")]
    public void A_line_that_is_no_row_is_refused(string line, string sentence)
    {
        File.WriteAllText(_folder["metrics"], line + "\n");
        var failure = Assert.Throws<InvalidDataException>(() => MetricsWriter.Read(_folder["metrics"]).Count());
        Assert.Contains(sentence, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_cannot_take_the_name_of_the_step()
    {
        using MetricsWriter metrics = MetricsWriter.Open(_folder["metrics"]);
        Assert.Throws<ArgumentException>(() => metrics.Write(1, ("step", 2)));
        Assert.Empty(MetricsWriter.Read(_folder["metrics"]));
    }
}
