namespace Tessera.Kernels;

/// <summary>
/// The right operand of a product in the order in which <see cref="Gemm"/> reads it, made once by <see cref="Gemm.PackRight"/>
/// and used by any number of products: a weight that does not change between them need not be packed by each.
/// </summary>
/// <param name="Address">First of <see cref="Gemm.PackedFloats"/> floats, aligned to 64 bytes.</param>
/// <param name="Columns">Columns n of the product.</param>
/// <param name="Sums">Length k of the sums.</param>
public readonly record struct PackedMatrix(nint Address, int Columns, int Sums)
{
    /// <summary>Whether there is one.</summary>
    public bool Exists => Address != 0;
}
