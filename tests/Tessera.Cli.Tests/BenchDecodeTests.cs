using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

public sealed class BenchDecodeTests
{
    private static string Model => Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-thinking-2.1m");

    [Theory]
    [InlineData("f32")]
    [InlineData("int4")]
    public void Generation_and_prompts_stand_beside_their_ceilings(string type)
    {
        var rows = CliRun.Good(
            "bench", "decode", Model, "--rounds", "2", "--input-length", "8", "--output-length", "4", "--threads", "1", "--dtype", type, "--json").Json();

        Assert.Equal(["decode", "prefill", "engine"], rows.EnumerateArray().Select(row => row.GetProperty("name").GetString()));
        foreach (var row in rows.EnumerateArray())
        {
            Assert.Equal(type, row.GetProperty("dtype").GetString());
            Assert.Equal(1, row.GetProperty("threads").GetInt32());
            Assert.Equal(2, row.GetProperty("runs").GetInt32());
            Assert.Contains("batch 1, 8 in / 4 out", row.GetProperty("shape").GetString(), StringComparison.Ordinal);
            double value = row.GetProperty("value").GetDouble(), ceiling = row.GetProperty("ceiling").GetDouble();
            Assert.True(value > 0 && ceiling > 0);
            Assert.InRange(row.GetProperty("ratio").GetDouble(), 1e-4, 1e4);
            if (row.GetProperty("name").GetString() != "prefill")
            {
                var details = row.GetProperty("details");
                double step = details.GetProperty("step_seconds").GetDouble();

                // Medians of two rounds are means, and the mean of rates is at least the rate of the mean.
                Assert.InRange(value * step, 1 - 1e-9, 1e4);
                Assert.Equal(step, details.GetProperty("host_seconds").GetDouble(), 1e-9);
                Assert.True(details.GetProperty("step_bytes").GetDouble() > 1e5);
            }
        }
    }

    [Fact]
    public void Several_batches_are_measured_one_after_the_other()
    {
        string table = CliRun.Good(
            "bench", "decode", Model, "--rounds", "1", "--context", "8", "--output-length", "2", "--threads", "1", "--batch", "1,3").Output;
        Assert.Contains("batch 1, 8 in / 2 out", table, StringComparison.Ordinal);
        Assert.Contains("batch 3, 8 in / 2 out", table, StringComparison.Ordinal);
        Assert.Contains("engine", table, StringComparison.Ordinal);
        CliRun.Refused(["bench", "decode", Model, "--batch", "1,0"], "--batch 1,0");
        CliRun.Refused(["bench", "decode", Model, "--batch", ""], "--batch");
        CliRun.Refused(["bench", "decode"], "--shape");
        CliRun.Refused(["bench", "decode", Model, "--shape", "llama-3.2-1b"], "--shape llama-3.2-1b");
    }

    [Fact]
    public void A_context_beyond_the_model_and_empty_lengths_are_refused()
    {
        CliRun.Refused(["bench", "decode", Model, "--input-length", "100000"], "--input-length", "positions");
        CliRun.Refused(["bench", "decode", Model, "--output-length", "0"], "--output-length 0");
        CliRun.Refused(["bench", "decode", "no-such-model"], "no-such-model");
    }
}
