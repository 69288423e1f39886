using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>Measured cases of kernels that go over their tensors once.</summary>
internal static class RowBench
{
    /// <summary>A case named <c>row</c>, held against a copy.</summary>
    /// <param name="type">How activations are stored.</param>
    /// <param name="shape">Operation and sizes.</param>
    /// <param name="bytes">Bytes that the formula reads and writes, each once.</param>
    /// <param name="prepare">Makes the inputs; returns what runs once.</param>
    public static BenchCase Copy(DType type, string shape, double bytes, Func<Arena, Action> prepare) =>
        new("row", shape, type.Label(), BenchCeiling.StreamCopy, bytes, prepare);

    /// <summary>A case named <c>row</c>, held against a read.</summary>
    /// <inheritdoc cref="Copy" />
    public static BenchCase Read(DType type, string shape, double bytes, Func<Arena, Action> prepare) =>
        new("row", shape, type.Label(), BenchCeiling.StreamRead, bytes, prepare);
}
