using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>The measured cases of every operation.</summary>
public static class KernelCatalog
{
    private static readonly Func<BenchTarget, IEnumerable<BenchCase>>[] Groups =
    [
        Gemm.BenchCases, QuantizedLinear.GemmBenchCases, Linear.BenchCases, QuantizedLinear.GemvBenchCases, Fp8Linear.BenchCases, Attention.BenchCases,
        RmsNorm.BenchCases, SwiGlu.BenchCases, Residual.BenchCases, Rope.BenchCases, QkvEpilogue.BenchCases, Bias.BenchCases, KeyValueStore.BenchCases,
        Embedding.BenchCases, Conversion.BenchCases, BlockQuantization.BenchCases, AdamW.BenchCases, GradientNorm.BenchCases, ChannelStatistics.BenchCases,
        HiddenLoss.BenchCases, RowGather.BenchCases, RandomFill.BenchCases, TokenSampling.BenchCases,
        LinearCrossEntropy.BenchCases, LinearKl.BenchCases, LinearLogProb.BenchCases, LinearPolicy.BenchCases,
        ForkJoinBench.Cases,
    ];

    /// <summary>
    /// Names of the rows: products of matrices, products with one or a few tokens, everything that goes over rows once,
    /// attention, losses with the head inside, random numbers and draws from them, and the start of all workers or of a kernel.
    /// </summary>
    public static IReadOnlyList<string> Names { get; } = ["gemm", "gemv", "row", "attention", "loss", "draw", "fork-join"];

    /// <summary>The cases that match a filter. They take no memory before they are measured.</summary>
    /// <param name="device">Where they run.</param>
    /// <param name="filter">
    /// Words that all must be in "name shape type": <c>gemm</c>, <c>row rmsnorm</c>, <c>1024x1024x1024 bf16</c>; null for all.
    /// </param>
    public static IEnumerable<BenchCase> Cases(Device device, string? filter = null) => Cases(BenchTarget.Of(device), filter);

    /// <summary>As the other, in shapes of a given scale.</summary>
    public static IEnumerable<BenchCase> Cases(BenchTarget target, string? filter = null) =>
        Groups.SelectMany(group => group(target)).Where(bench => filter is null || bench.Matches(filter));
}
