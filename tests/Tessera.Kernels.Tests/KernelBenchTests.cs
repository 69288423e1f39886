using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels.Tests;

public class KernelBenchTests
{
    [Fact]
    public void A_case_that_sleeps_is_reported_with_its_rate_and_a_ratio_near_zero()
    {
        using var device = new CpuDevice(1);
        int calls = 0;
        var sleeper = new BenchCase("sleep", "2 ms", "f32", BenchCeiling.FusedMultiplyAdd, 2e6, Sleep);
        BenchResult result = Assert.Single(KernelBench.Run(device, [sleeper], secondsPerCase: 0.05));
        Assert.Equal(("sleep", "2 ms", "f32", 1, "GFLOP/s"), (result.Name, result.Shape, result.DataType, result.Threads, result.Unit));

        // Two million FLOP in at least two milliseconds are at most one GFLOP/s.
        Assert.InRange(result.Value, 1e-4, 1.0);
        Assert.InRange(result.Ratio, 1e-7, 0.9);
        Assert.True(result.Ceiling > result.Value);
        Assert.True(result.Spread >= 0);
        Assert.InRange(result.Runs, 9, calls);

        void Sleep()
        {
            calls++;
            Thread.Sleep(2);
        }
    }
}
