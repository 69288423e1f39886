namespace Tessera.Tensors;

/// <summary>
/// A dense f32 activation [rows, columns] in an arena. A value: it owns nothing.
/// </summary>
/// <param name="Address">First element.</param>
/// <param name="Rows">Rows, usually tokens.</param>
/// <param name="Columns">Columns, usually channels.</param>
/// <param name="Node">Index on the tape that recorded it, or −1 where no gradient is asked for.</param>
public readonly unsafe record struct Tensor(nint Address, int Rows, int Columns, int Node)
{
    /// <summary>A tensor that needs no gradient.</summary>
    public Tensor(nint address, int rows, int columns)
        : this(address, rows, columns, -1)
    {
    }

    /// <summary>The elements.</summary>
    public float* Data => (float*)Address;

    /// <summary>Number of elements.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>True for a tensor that exists; the default value does not.</summary>
    public bool Exists => Address != 0;

    /// <summary>The same numbers, cut off from the tape.</summary>
    public Tensor Detached() => this with { Node = -1 };
}
