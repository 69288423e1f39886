using System.Text.Json;

namespace Tessera.Cli.Tests;

public sealed class BenchTests
{
    [Fact]
    public void Json_is_one_array_of_figures_beside_their_ceiling()
    {
        var json = CliRun.Good("bench", "kernels", "--filter", "gemm 256x256x256", "--seconds", "0", "--threads", "1", "--json").Json();

        Assert.Equal(JsonValueKind.Array, json.ValueKind);
        var figure = Assert.Single(json.EnumerateArray());
        Assert.Equal(
            ["name", "shape", "dtype", "threads", "device", "value", "unit", "ceiling", "ratio", "runs", "spread", "details"],
            figure.EnumerateObject().Select(property => property.Name));
        Assert.Equal(("cpu", JsonValueKind.Null), (figure.GetProperty("device").GetString(), figure.GetProperty("details").ValueKind));
        Assert.Equal("gemm", figure.GetProperty("name").GetString());
        Assert.Equal("GFLOP/s", figure.GetProperty("unit").GetString());
        Assert.InRange(figure.GetProperty("ratio").GetDouble(), 0.001, 2);
        Assert.InRange(figure.GetProperty("runs").GetInt32(), 9, int.MaxValue);
    }

    [Fact]
    public void A_filter_that_fits_nothing_and_bad_numbers_are_refused()
    {
        CliRun.Refused(["bench", "kernels", "--filter", "fft"], "--filter fft", "gemm");
        CliRun.Refused(["bench", "kernels", "--filter", "gemm", "--threads", "-2"], "--threads -2");
        CliRun.Refused(["bench", "kernels", "--filter", "gemm", "--seconds", "-1"], "--seconds -1");
        CliRun.Refused(["bench", "kernels", "--filter", "gemm", "--dtype", "bf16"], "--dtype bf16", "--device cuda");
        CliRun.Refused(["bench", "kernels", "--filter", "gemm", "--device", "tpu"], "--device tpu");
    }
}
