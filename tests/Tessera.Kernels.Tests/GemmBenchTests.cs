using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels.Tests;

[Trait("Category", "Bench")]
public class GemmBenchTests(ITestOutputHelper output)
{
    [Theory(Explicit = true)]
    [InlineData(1)]
    [InlineData(2)]
    public void Matrix_kernels_reach_half_of_their_ceilings(int threads)
    {
        using var device = new CpuDevice(threads);
        var results = new List<BenchResult>();
        string[] small = ["256x256x256", "1024x1024x1024", "1536x1536x1536", "8192x8192", "linear 256x"];
        IEnumerable<BenchCase> cases = KernelCatalog.Cases(device)
            .Where(bench => bench.Name is "gemm" or "gemv" && small.Any(bench.Shape.StartsWith));
        foreach (BenchResult result in KernelBench.Run(device, cases, 0.8))
        {
            output.WriteLine(
                $"{result.Name} {result.Shape} {result.DataType} {result.Threads} threads: {result.Value:F1} of {result.Ceiling:F1} " +
                $"{result.Unit}, ratio {result.Ratio:F3} ± {result.Spread:F3}, {result.Runs} runs");
            results.Add(result);
        }

        Assert.NotEmpty(results);
        Assert.All(results, result => Assert.True(result.Ratio > 0.5, $"{result}"));
    }
}
