namespace Tessera.Kernels.Measurement;

/// <summary>What a kernel reached at one shape, held against the ceiling measured beside it.</summary>
/// <param name="Name">Kind of kernel.</param>
/// <param name="Shape">Operation, where the name covers several, and sizes.</param>
/// <param name="DataType">Storage of what is streamed.</param>
/// <param name="Threads">Threads of the processor; 0 on a card.</param>
/// <param name="Value">Median in <paramref name="Unit"/>.</param>
/// <param name="Unit"><c>GFLOP/s</c>, <c>GOP/s</c> (integers), <c>GB/s</c>, or <c>ns/call</c> where there is no ceiling.</param>
/// <param name="Ceiling">Median rate of the ceiling in the same unit, or null.</param>
/// <param name="Ratio">Median of the paired ratios of rate to ceiling, or null.</param>
/// <param name="Runs">Number of pairs, or of samples.</param>
/// <param name="Spread">Half the interquartile range of the paired ratios; without a ceiling, of the samples over their median.</param>
public sealed record BenchResult(
    string Name, string Shape, string DataType, int Threads, double Value, string Unit, double? Ceiling, double? Ratio, int Runs, double Spread)
{
    /// <summary>Further figures by name, or null: shares of what the maker publishes, tokens, bytes, seconds of parts.</summary>
    public IReadOnlyDictionary<string, double>? Details { get; init; }
}
