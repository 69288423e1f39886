using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>A row-major matrix in memory that somebody else owns: a weight [outputs, inputs], a table or an activation.</summary>
/// <remarks>
/// A matrix of int8 or int4 groups lies as <see cref="GroupedMatrix"/> says and has no stride; fewer rows at the same address are
/// a matrix of their own. One of fp8 has rows of bytes, and behind its last row a scale for each, see <see cref="Fp8Matrix"/>.
/// </remarks>
/// <param name="Address">First element.</param>
/// <param name="Type">f32, bf16, int8, int4 or fp8.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns.</param>
/// <param name="Stride">Elements from one row to the next.</param>
public readonly unsafe record struct MatrixView(nint Address, DType Type, int Rows, int Columns, long Stride)
{
    /// <summary>A dense matrix: the stride is the number of columns, of fp8 that of the bytes that a row takes.</summary>
    public MatrixView(nint address, DType type, int rows, int columns)
        : this(address, type, rows, columns, type == DType.FP8 ? DTypes.Fp8Stride(columns) : columns)
    {
        ScaleOffset = type == DType.FP8 ? rows * Stride : 0;
    }

    /// <summary>Bytes from the address to the first row's scale; for fp8 alone.</summary>
    public long ScaleOffset { get; init; }

    /// <summary>Scales of the rows, f32; for fp8 alone.</summary>
    public nint Scales => Address + (nint)ScaleOffset;

    /// <summary>Elements as a dense matrix.</summary>
    public static MatrixView Of(Elements elements, int rows, int columns) => new(elements.Address, elements.Type, rows, columns);

    /// <summary>The first element, f32 or bf16.</summary>
    public Elements Elements => new(Address, Type);

    /// <summary>The address as f32 elements.</summary>
    public float* Floats => (float*)Address;

    /// <summary>The address as bf16 bit patterns.</summary>
    public ushort* Halves => (ushort*)Address;
}
