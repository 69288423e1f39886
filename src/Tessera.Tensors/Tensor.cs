using Tessera.Devices;

namespace Tessera.Tensors;

/// <summary>
/// A dense activation [rows, columns] in an arena. A value: it owns nothing.
/// </summary>
/// <param name="Address">First element.</param>
/// <param name="Rows">Rows, usually tokens.</param>
/// <param name="Columns">Columns, usually channels.</param>
/// <param name="Type">f32 or bf16, as the device stores activations.</param>
/// <param name="Node">Index on the tape that recorded it, or −1 where no gradient is asked for.</param>
public readonly record struct Tensor(nint Address, int Rows, int Columns, DType Type, int Node)
{
    /// <summary>A tensor that needs no gradient.</summary>
    public Tensor(nint address, int rows, int columns, DType type = DType.F32)
        : this(address, rows, columns, type, -1)
    {
    }

    /// <summary>The elements.</summary>
    public Elements Data => new(Address, Type);

    /// <summary>Number of elements.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>Bytes that it takes.</summary>
    public long Bytes => Count * Type.Bytes();

    /// <summary>True for a tensor that exists; the default value does not.</summary>
    public bool Exists => Address != 0;

    /// <summary>Rows [start, start + rows), cut off from the tape.</summary>
    public Tensor RowsView(int start, int rows) => new((Data + ((long)start * Columns)).Address, rows, Columns, Type);

    /// <summary>The same numbers, cut off from the tape.</summary>
    public Tensor Detached() => this with { Node = -1 };
}
