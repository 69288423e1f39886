using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>A row-major matrix in memory that somebody else owns: a weight [outputs, inputs], a table or an activation.</summary>
/// <remarks>
/// A matrix of int8 or int4 groups lies as <see cref="GroupedMatrix"/> says and has no stride; fewer rows at the same address are
/// a matrix of their own.
/// </remarks>
/// <param name="Address">First element.</param>
/// <param name="Type">f32, bf16, int8 or int4.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
/// <param name="Stride">Elements from one row to the next.</param>
public readonly unsafe record struct MatrixView(nint Address, DType Type, int Rows, int Columns, long Stride)
{
    /// <summary>A dense matrix: the stride is the number of columns.</summary>
    public MatrixView(nint address, DType type, int rows, int columns)
        : this(address, type, rows, columns, columns)
    {
    }

    /// <summary>Elements as a dense matrix.</summary>
    public static MatrixView Of(Elements elements, int rows, int columns) => new(elements.Address, elements.Type, rows, columns);

    /// <summary>The first element, f32 or bf16.</summary>
    public Elements Elements => new(Address, Type);

    /// <summary>The address as f32 elements.</summary>
    public float* Floats => (float*)Address;

    /// <summary>The address as bf16 bit patterns.</summary>
    public ushort* Halves => (ushort*)Address;
}
