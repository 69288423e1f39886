using Tessera.Devices;

namespace Tessera.Kernels.Measurement;

/// <summary>Which same-run ceiling a measured kernel is held against.</summary>
public enum BenchCeiling
{
    /// <summary>
    /// Multiply-adds per second. On the processor of f32 from registers, on the same number of threads, by the widest vectors there
    /// are; on a card what the vendor's library reaches on a large square product in the type of activations.
    /// </summary>
    FusedMultiplyAdd,

    /// <summary>
    /// Products of bytes and signed bytes, and their sums, per second from registers, on the same number of threads; on a card the
    /// same as <see cref="FusedMultiplyAdd"/>: what the product would cost without quantisation.
    /// </summary>
    Int8DotProduct,

    /// <summary>Bytes per second of a read of a buffer that does not fit the caches; on a card of a copy, as <see cref="StreamCopy"/>.</summary>
    StreamRead,

    /// <summary>Bytes read plus written per second of a copy that does not fit the caches.</summary>
    StreamCopy,

    /// <summary>None: the figure is the time of a call.</summary>
    None,
}

/// <summary>One kernel at one shape. Making a case takes no memory; preparing it does.</summary>
/// <param name="Name">Kind of kernel, one of <see cref="KernelCatalog.Names"/>.</param>
/// <param name="Shape">
/// Sizes, for instance <c>1024x1024x1024</c>; where a name covers several operations, the operation before them:
/// <c>rmsnorm 16384x2048</c>.
/// </param>
/// <param name="DataType">Storage of what is streamed: f32, bf16, int8 or int4.</param>
/// <param name="Ceiling">What the figure is divided by.</param>
/// <param name="Work">
/// What one call does: Operations for <see cref="BenchCeiling.FusedMultiplyAdd"/> and <see cref="BenchCeiling.Int8DotProduct"/>; bytes that the formula must read and write for the
/// streams, each once, whatever the caches move besides; for <see cref="BenchCeiling.None"/> nanoseconds of the call that are
/// not the kernel's.
/// </param>
/// <param name="Prepare">
/// Makes the inputs in an arena that lives as long as the case is measured, and returns what runs the kernel once.
/// </param>
public sealed record BenchCase(
    string Name, string Shape, string DataType, BenchCeiling Ceiling, double Work, Func<Arena, Action> Prepare)
{
    /// <summary>A case that has its inputs, or needs none.</summary>
    /// <param name="name">See <see cref="Name"/>.</param>
    /// <param name="shape">See <see cref="Shape"/>.</param>
    /// <param name="dataType">See <see cref="DataType"/>.</param>
    /// <param name="ceiling">See <see cref="Ceiling"/>.</param>
    /// <param name="work">See <see cref="Work"/>.</param>
    /// <param name="run">Runs the kernel once.</param>
    public BenchCase(string name, string shape, string dataType, BenchCeiling ceiling, double work, Action run)
        : this(name, shape, dataType, ceiling, work, _ => run)
    {
    }

    /// <summary>
    /// What does the same work another way, and takes the ceiling's place in the ratio; its inputs are its own. Null where the ceiling
    /// is what the figure is held against.
    /// </summary>
    public Func<Arena, Action>? Peer { get; init; }

    /// <summary>Whether every word of a filter is in "name shape type", in any case of letters.</summary>
    public bool Matches(string filter)
    {
        string text = $"{Name} {Shape} {DataType}";
        return filter.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .All(word => text.Contains(word, StringComparison.OrdinalIgnoreCase));
    }
}
