using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Dense matrix products in f32 with matrices stored as f32 or bf16.</summary>
public static unsafe partial class Gemm
{
    /// <summary>Multiplies two matrices, each of them as stored or transposed, into a third.</summary>
    /// <remarks>
    /// C[i,j] = (accumulate ? C[i,j] : 0) + Σ_p op(A)[i,p] · op(B)[p,j].
    /// Shapes: op(A) [m, k], op(B) [k, n], C [m, n] with <paramref name="cStride"/> elements from row to row; a view may be
    /// larger than what is used of it. Any extent may be 0: k = 0 without accumulation clears C.
    /// Types: A and B f32 or bf16 (widened exactly while packing), C f32, arithmetic f32; on a card C is f32 or bf16, rounded once
    /// at the store, and any combination of types is taken (of one type by the library, else by a slower kernel of our own).
    /// Where a bf16 C is accumulated, the library rounds the product before it is added, and the sum.
    /// Aliasing: C must not overlap A or B.
    /// Error: relative L2 to Reference at most 1e-6; on a card 5e-6 of bf16 operands, whose sums its tensor cores cut off.
    /// Determinism: bitwise. On the processor an element's sum runs over p in order, cut into blocks that depend on k only, so that
    /// neither the number of threads nor the other rows and columns of the product matter; on a card the order is the
    /// library's, which depends on all extents, on strides and on alignment.
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
        Elements c,
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

        if (device is CudaDevice cuda)
        {
            MultiplyCuda(cuda, a, transposeA, b, transposeB, c, cStride, m, n, k, accumulate);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        if (m == 0 || n == 0)
        {
            return;
        }

        if (k == 0)
        {
            ClearUnlessAccumulating(c.Floats, cStride, m, n, accumulate);
            return;
        }

        RunBlocked(cpu, new Operand(a, !transposeA), new Operand(b, transposeB), null, c.Floats, cStride, m, n, k, accumulate);
    }

    /// <summary>Multiplies a matrix, as stored, by one that was packed before.</summary>
    /// <remarks>
    /// C[i,j] = (accumulate ? C[i,j] : 0) + Σ_p A[i,p] · B[p,j], with the bits that <see cref="Multiply"/> gives for the same B.
    /// Shapes: A [m, k], B [k, n] in <paramref name="b"/>, C [m, n]. Aliasing, error and determinism as there.
    /// </remarks>
    /// <exception cref="ArgumentException">A view is too small, is neither f32 nor bf16, or a stride is below its row.</exception>
    public static void MultiplyPacked(
        Device device, in MatrixView a, in PackedMatrix b, Elements c, long cStride, int m, bool accumulate)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(m);
        CheckOperand(a, nameof(a), m, b.Sums);
        if (m > 1 && cStride < b.Columns)
        {
            throw new ArgumentException($"gemm c: a stride of {cStride} is below its {b.Columns} columns", nameof(cStride));
        }

        if (m > 0)
        {
            using var scope = CpuDevice.Enter(device);
            RunBlocked(
                scope.Processor, new Operand(a, true), default, (float*)b.Address, c.Floats, cStride, m, b.Columns, b.Sums, accumulate);
        }
    }

    /// <summary>Floats that <see cref="PackRight"/> writes for n columns and sums of length k.</summary>
    public static long PackedFloats(int n, int k) => (long)Tiles(n, TileColumns) * TileColumns * k;

    /// <summary>Brings op(B) [k, n] into the order in which products read it.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="b">The matrix, f32 or bf16 (widened exactly).</param>
    /// <param name="transpose">Whether op(B) is the transpose of what is stored, as for a weight [n, k].</param>
    /// <param name="n">Columns of the product, at least 1.</param>
    /// <param name="k">Length of the sums, at least 1.</param>
    /// <param name="target"><see cref="PackedFloats"/> floats, aligned to 64 bytes.</param>
    /// <exception cref="ArgumentException">The view is too small or neither f32 nor bf16.</exception>
    public static PackedMatrix PackRight(Device device, in MatrixView b, bool transpose, int n, int k, float* target)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        CheckOperand(b, nameof(b), transpose ? n : k, transpose ? k : n);
        int ticket = 0;
        var job = new PackJob { B = new Operand(b, transpose), N = n, K = k, Target = target, Ticket = &ticket };
        using var scope = CpuDevice.Enter(device);
        scope.Processor.Workers.Run(&PackRightBody, &job);
        return new PackedMatrix((nint)target, n, k);
    }

    private struct PackJob
    {
        public Operand B;
        public int N;
        public int K;
        public float* Target;
        public int* Ticket;
    }

    private static void PackRightBody(void* context, int worker, int workers)
    {
        var job = (PackJob*)context;
        PackTogether(job->B, 0, job->N, 0, job->K, DepthFor(job->K), job->Target, TileColumns, workers, job->Ticket);
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
