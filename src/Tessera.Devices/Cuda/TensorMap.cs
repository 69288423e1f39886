using System.Runtime.InteropServices;
using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>
/// Where a matrix lies in a card's memory and which boxes bulk copies take from it: a <c>CUtensorMap</c>, which a kernel is given by
/// value, at a multiple of 64 bytes. <c>TensorMap</c> in <c>pipeline.cuh</c>.
/// </summary>
/// <remarks>Source: CUDA driver API, "Tensor Map Object Management"; for capability 9.0 and newer.</remarks>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal unsafe struct TensorMap
{
    /// <summary>Bytes of a map.</summary>
    public const int Bytes = 128;

    private const int Alignment = 64;
    private const int TypeBf16 = 9;
    private const int Swizzle128 = 3;
    private const int Promotion256 = 3;

    private fixed ulong _words[Bytes / sizeof(ulong)];

    /// <summary>
    /// Heads of bf16 elements, [rows, heads, elements], in boxes of 64 elements of <paramref name="boxHeads"/> heads of
    /// <paramref name="boxRows"/> rows. In shared memory a box has 128 bytes a head, whose chunks of 16 are permuted by the head
    /// as products of warpgroups want them; what lies outside of the matrix is zero there.
    /// </summary>
    /// <param name="cuda">The card; where it only plans, the map is empty.</param>
    /// <param name="address">Of the first element; a multiple of 16.</param>
    /// <param name="headDim">Elements of a head; a multiple of 8.</param>
    /// <param name="heads">Heads of a row, one behind the other.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="stride">Elements from one row to the next; a multiple of 8.</param>
    /// <param name="boxHeads">Heads of a box.</param>
    /// <param name="boxRows">Rows of a box; each of both is at most 256.</param>
    /// <exception cref="CudaException">The driver refuses one of these.</exception>
    public static TensorMap OfHeads(
        CudaDevice cuda, nint address, int headDim, int heads, int rows, long stride, int boxHeads, int boxRows)
    {
        TensorMap result = default;
        if (cuda.IsPlanning)
        {
            return result;
        }

        ulong* room = stackalloc ulong[(Bytes + Alignment) / sizeof(ulong)];
        var aligned = (TensorMap*)(((nuint)room + Alignment - 1) & ~(nuint)(Alignment - 1));
        ulong* sizes = stackalloc ulong[] { (ulong)headDim, (ulong)heads, (ulong)rows };
        ulong* strides = stackalloc ulong[] { (ulong)headDim * sizeof(ushort), (ulong)stride * sizeof(ushort) };
        uint* box = stackalloc uint[] { 64, (uint)boxHeads, (uint)boxRows };
        uint* steps = stackalloc uint[] { 1, 1, 1 };
        cuda.Context.MakeCurrent();
        cuda.Context.Check(
            CudaDriver.TensorMapEncodeTiled(
                aligned, TypeBf16, 3, address, sizes, strides, box, steps, interleave: 0, Swizzle128, Promotion256, fill: 0),
            "cuTensorMapEncodeTiled", $"{rows:N0} rows of {heads} heads of {headDim}, {stride:N0} elements apart");
        return *aligned;
    }
}
