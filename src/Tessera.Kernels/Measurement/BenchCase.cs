namespace Tessera.Kernels.Measurement;

/// <summary>Which same-run ceiling a measured kernel is held against.</summary>
public enum BenchCeiling
{
    /// <summary>f32 fused multiply-adds per second from registers, on the same number of threads.</summary>
    FusedMultiplyAdd,

    /// <summary>Products of bytes and signed bytes, and their sums, per second from registers, on the same number of threads.</summary>
    Int8DotProduct,

    /// <summary>Bytes per second of a read of a buffer that does not fit the caches.</summary>
    StreamRead,

    /// <summary>Bytes read plus written per second of a copy that does not fit the caches.</summary>
    StreamCopy,
}

/// <summary>One kernel at one shape, ready to run again and again.</summary>
/// <param name="Name">Operation, for instance <c>gemm</c>.</param>
/// <param name="Shape">Human-readable shape, for instance <c>1024x1024x1024</c>.</param>
/// <param name="DataType">f32, bf16, int8 or int4.</param>
/// <param name="Ceiling">What the figure is divided by.</param>
/// <param name="Work">Operations for <see cref="BenchCeiling.FusedMultiplyAdd"/> and <see cref="BenchCeiling.Int8DotProduct"/>, else bytes, of one call of <paramref name="Run"/>.</param>
/// <param name="Run">Runs the kernel once.</param>
public sealed record BenchCase(string Name, string Shape, string DataType, BenchCeiling Ceiling, double Work, Action Run);
