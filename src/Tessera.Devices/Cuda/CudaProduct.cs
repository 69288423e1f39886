namespace Tessera.Devices;

/// <summary>
/// A product of row-major matrices, C [M, N] (=, +=) op(A) [M, K] · op(B) [K, N], as <see cref="CudaProducts"/> is asked for it.
/// </summary>
/// <param name="M">Rows of C.</param>
/// <param name="N">Columns of C.</param>
/// <param name="K">Length of the sums.</param>
/// <param name="TransposeA">Whether A is stored [K, M].</param>
/// <param name="TransposeB">Whether B is stored [N, K].</param>
/// <param name="AStride">Elements from one stored row of A to the next.</param>
/// <param name="BStride">Elements from one stored row of B to the next.</param>
/// <param name="CStride">Elements from one row of C to the next.</param>
/// <param name="OperandType">Of A and B: f32, bf16 or fp8 (E4M3); the last only as [M, K] by a transpose of [N, K].</param>
/// <param name="ResultType">Of C: f32 or bf16.</param>
public readonly record struct CudaProduct(
    int M, int N, int K, bool TransposeA, bool TransposeB, long AStride, long BStride, long CStride, DType OperandType,
    DType ResultType)
{
    /// <summary>Whether each row of A and of a transposed B has a factor, f32, that its results are multiplied by: for fp8.</summary>
    public bool IsScaled { get; init; }

    /// <summary>Extents and types, for messages.</summary>
    public override string ToString() =>
        $"[{M}, {K}]{(TransposeA ? " of a transpose" : string.Empty)} · [{K}, {N}]{(TransposeB ? " of a transpose" : string.Empty)}"
        + $" in {(IsScaled ? "scaled " : string.Empty)}{OperandType.Label()} to {ResultType.Label()}, strides {AStride}, {BStride}, {CStride}";
}
