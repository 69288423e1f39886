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
        Assert.InRange(Assert.NotNull(result.Ratio), 1e-7, 0.9);
        Assert.True(result.Ceiling > result.Value);
        Assert.True(result.Spread >= 0);
        Assert.InRange(result.Runs, 9, calls);

        void Sleep()
        {
            calls++;
            Thread.Sleep(2);
        }
    }

    [Fact]
    public void A_case_without_a_ceiling_is_reported_in_nanoseconds_less_what_is_not_its_own()
    {
        using var device = new CpuDevice(1);
        const double Pause = 1e6;
        var sleeper = new BenchCase("sleep", "3 ms", "-", BenchCeiling.None, Pause, () => Thread.Sleep(3));
        BenchResult result = Assert.Single(KernelBench.Run(device, [sleeper], secondsPerCase: 0.05));
        Assert.Equal(("ns/call", null, null), (result.Unit, result.Ceiling, result.Ratio));
        Assert.InRange(result.Value, 3e6 - Pause, 3e8);
    }

    [Fact]
    public void The_memory_of_a_case_is_taken_when_it_is_measured_and_given_back_after_it()
    {
        using var device = new CpuDevice(1);
        long before = Arena.LiveBytes, during = 0;
        var bench = new BenchCase("x", "y", "f32", BenchCeiling.None, 0, arena =>
        {
            arena.Allocate(3 << 20);
            return () => during = Arena.LiveBytes;
        });
        Assert.Equal(before, Arena.LiveBytes);
        Assert.Single(KernelBench.Run(device, [bench], secondsPerCase: 0));
        Assert.InRange(during, before + (3 << 20), long.MaxValue);
        Assert.Equal(before, Arena.LiveBytes);
    }
}
