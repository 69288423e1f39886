using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels.Tests;

[Trait("Category", "Bench")]
public class RowBenchTests(ITestOutputHelper output)
{
    [Theory(Explicit = true)]
    [InlineData(1)]
    [InlineData(2)]
    public void Row_kernels_reach_their_floor_of_the_stream(int threads)
    {
        using var device = new CpuDevice(threads);
        foreach (BenchResult result in KernelBench.Run(device, KernelCatalog.Cases(device, "row"), 0.4))
        {
            output.WriteLine(
                $"{result.Name} {result.Shape} {result.DataType} {result.Threads} threads: {result.Value:F1} of {result.Ceiling:F1} " +
                $"{result.Unit}, ratio {result.Ratio:F3} ± {result.Spread:F3}, {result.Runs} runs");
            Assert.True(result.Ratio > 0.5, $"{result}");
        }
    }
}
