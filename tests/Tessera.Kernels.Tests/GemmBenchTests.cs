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
        IEnumerable<BenchCase> cases = [.. Gemm.BenchCases(device), .. Linear.BenchCases(device), .. Conversion.BenchCases(device)];
        foreach (BenchResult result in KernelBench.Run(device, cases, 0.8))
        {
            output.WriteLine(
                $"{result.Name} {result.Shape} {result.DataType} {result.Threads} threads: {result.Value:F1} of {result.Ceiling:F1} " +
                $"{result.Unit}, ratio {result.Ratio:F3} ± {result.Spread:F3}, {result.Runs} runs");
            results.Add(result);
        }

        Assert.All(results, result => Assert.True(result.Ratio > 0.5, $"{result}"));
    }
}
