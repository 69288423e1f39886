namespace Tessera.Kernels.Measurement;

/// <summary>What a kernel reached at one shape, held against the ceiling measured beside it.</summary>
/// <param name="Name">Operation.</param>
/// <param name="Shape">Human-readable shape.</param>
/// <param name="DataType">f32, bf16, int8 or int4.</param>
/// <param name="Threads">Workers of the device.</param>
/// <param name="Value">Median rate in <paramref name="Unit"/>.</param>
/// <param name="Unit"><c>GFLOP/s</c>, <c>GOP/s</c> (integers) or <c>GB/s</c>.</param>
/// <param name="Ceiling">Median rate of the ceiling in the same unit.</param>
/// <param name="Ratio">Median of the paired ratios of rate to ceiling.</param>
/// <param name="Runs">Number of pairs.</param>
/// <param name="Spread">Half the interquartile range of the paired ratios.</param>
public sealed record BenchResult(
    string Name, string Shape, string DataType, int Threads, double Value, string Unit, double Ceiling, double Ratio, int Runs, double Spread);
