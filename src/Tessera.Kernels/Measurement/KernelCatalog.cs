using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>The measured cases of every operation.</summary>
public static class KernelCatalog
{
    private static readonly (string Name, Func<Device, IEnumerable<BenchCase>> Cases)[] Operations =
    [
        ("gemm", Gemm.BenchCases), ("gemm", QuantizedLinear.GemmBenchCases), ("linear", Linear.BenchCases),
        ("gemv", QuantizedLinear.GemvBenchCases),
        ("attention", Attention.BenchCases), ("rope", Rope.BenchCases),
        ("qkv-epilogue", QkvEpilogue.BenchCases), ("bias", Bias.BenchCases),
        ("kv-append", KeyValueStore.BenchCases), ("rmsnorm", RmsNorm.BenchCases), ("swiglu", SwiGlu.BenchCases),
        ("residual", Residual.BenchCases), ("embedding", Embedding.BenchCases), ("conversion", Conversion.BenchCases),
        ("block-quantization", BlockQuantization.BenchCases),
        ("linear-cross-entropy", LinearCrossEntropy.BenchCases), ("linear-kl", LinearKl.BenchCases),
        ("linear-log-prob", LinearLogProb.BenchCases), ("linear-policy", LinearPolicy.BenchCases),
        ("hidden-loss", HiddenLoss.BenchCases), ("channel-statistics", ChannelStatistics.BenchCases),
        ("adamw", AdamW.BenchCases), ("gradient-norm", GradientNorm.BenchCases),
    ];

    /// <summary>Names of the operations; the name of each case begins with one of them.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Operations.Select(operation => operation.Name).Distinct()];

    /// <summary>
    /// The cases whose "name shape type" contains a filter. They are made one by one as they are asked for, because the
    /// buffers of all together are large; only operations that the filter can mean are opened.
    /// </summary>
    /// <param name="device">Where they run.</param>
    /// <param name="filter">For instance <c>linear</c> or <c>gemm 256x256x256</c>; null for all.</param>
    public static IEnumerable<BenchCase> Cases(Device device, string? filter = null) =>
        Operations
            .Where(operation => filter is null || Overlaps(operation.Name, filter))
            .SelectMany(operation => operation.Cases(device))
            .Where(bench => filter is null
                || $"{bench.Name} {bench.Shape} {bench.DataType}".Contains(filter, StringComparison.OrdinalIgnoreCase));

    private static bool Overlaps(string name, string filter) =>
        name.Contains(filter, StringComparison.OrdinalIgnoreCase) || filter.Contains(name, StringComparison.OrdinalIgnoreCase);
}
