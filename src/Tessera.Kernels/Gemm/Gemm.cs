using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Dense matrix products in f32 with operands stored as f32 or bf16.</summary>
public static unsafe partial class Gemm
{
    /// <summary>Multiplies two matrices, each of them as stored or transposed, into a third.</summary>
    /// <remarks>
    /// C[i,j] = (accumulate ? C[i,j] : 0) + Σ_p op(A)[i,p] · op(B)[p,j].
    /// Shapes: op(A) [m, k], op(B) [k, n], C [m, n] with <paramref name="cStride"/> elements from row to row; a view may be
    /// larger than what is used of it. Any extent may be 0: k = 0 without accumulation clears C.
    /// Types: A and B f32 or bf16 (widened exactly while packing), C f32, arithmetic f32.
    /// Aliasing: C must not overlap A or B.
    /// Error: relative L2 to Reference at most 1e-6.
    /// Determinism: bitwise; an element's sum runs over p in order, cut into blocks that depend on k only, so that neither
    /// the number of threads nor the other rows and columns of the product matter.
    /// Cost: 2mnk FLOP.
    /// Source: Goto and van de Geijn 2008, loops as in BLIS (Van Zee and van de Geijn 2015).
    /// </remarks>
    /// <exception cref="ArgumentException">A view is too small, is neither f32 nor bf16, or a stride is below its row.</exception>
    public static void Multiply(
        Device device,
        in MatrixView a,
        bool transposeA,
        in MatrixView b,
        bool transposeB,
        float* c,
        long cStride,
        int m,
        int n,
        int k,
        bool accumulate)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        CheckOperand(a, nameof(a), transposeA ? k : m, transposeA ? m : k);
        CheckOperand(b, nameof(b), transposeB ? n : k, transposeB ? k : n);
        if (m > 1 && cStride < n)
        {
            throw new ArgumentException($"gemm c: a stride of {cStride} is below its {n} columns", nameof(cStride));
        }

        CpuDevice cpu = CpuDevice.From(device);
        if (m == 0 || n == 0)
        {
            return;
        }

        if (k == 0)
        {
            ClearUnlessAccumulating(c, cStride, m, n, accumulate);
            return;
        }

        RunBlocked(cpu, new Operand(a, !transposeA), new Operand(b, transposeB), c, cStride, m, n, k, accumulate);
    }

    private static void ClearUnlessAccumulating(float* c, long cStride, int m, int n, bool accumulate)
    {
        for (int i = 0; i < m && !accumulate; i++)
        {
            new Span<float>(c + (i * cStride), n).Clear();
        }
    }

    private static void CheckOperand(in MatrixView view, string name, int rows, int columns)
    {
        if (view.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"gemm {name}: element type {view.Type.Label()} is neither f32 nor bf16", name);
        }

        if (view.Rows < rows || view.Columns < columns)
        {
            throw new ArgumentException(
                $"gemm {name}: the view is [{view.Rows}, {view.Columns}], the product needs [{rows}, {columns}]", name);
        }

        if (rows > 1 && view.Stride < view.Columns)
        {
            throw new ArgumentException($"gemm {name}: a stride of {view.Stride} is below its {view.Columns} columns", name);
        }
    }
}
