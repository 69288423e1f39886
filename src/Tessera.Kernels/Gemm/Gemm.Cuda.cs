using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// Products on a card: by the vendor's library where both operands have one type and it has an algorithm, else by
/// <c>Gemm.cu</c>, which takes anything.
/// </content>
public static unsafe partial class Gemm
{
    private const int CudaTile = 64;
    private const int CudaThreads = 256;

    private static readonly CudaKernel<CudaArguments> CudaGemm =
        new("Gemm.cu", "gemm", "A_TYPE", "B_TYPE", "C_TYPE", "TRANSPOSE_A", "TRANSPOSE_B");

    internal static void MultiplyCuda(
        CudaDevice cuda, in MatrixView a, bool transposeA, in MatrixView b, bool transposeB, Elements c, long cStride, int m, int n,
        int k, bool accumulate)
    {
        if (m == 0 || n == 0 || (k == 0 && accumulate))
        {
            return;
        }

        // The library has no product of f32 operands that is stored as bf16.
        bool isOffered = k > 0 && a.Type == b.Type && (a.Type == DType.BF16 || c.Type == DType.F32);
        var product = new CudaProduct(
            m, n, k, transposeA, transposeB, StrideOf(a, transposeA ? k : m), StrideOf(b, transposeB ? n : k), m == 1 ? n : cStride,
            a.Type, c.Type);
        if (!isOffered || !cuda.Products.TryMultiply(product, a.Address, b.Address, c.Address, accumulate))
        {
            MultiplyPlainly(cuda, a, transposeA, b, transposeB, c, cStride, m, n, k, accumulate);
        }
    }

    /// <summary>
    /// The product by our own kernel, which sums an element in an order that depends on k alone, whatever the operands' types,
    /// strides and alignment.
    /// </summary>
    internal static void MultiplyPlainly(
        CudaDevice cuda, in MatrixView a, bool transposeA, in MatrixView b, bool transposeB, Elements c, long cStride, int m, int n,
        int k, bool accumulate) => CudaGemm.Launch(
        cuda,
        new KernelVariant((int)a.Type, (int)b.Type, (int)c.Type, transposeA ? 1 : 0, transposeB ? 1 : 0),
        (RowLaunch.Blocks(n, CudaTile), RowLaunch.Blocks(m, CudaTile)),
        CudaThreads,
        0,
        new CudaArguments
        {
            A = a.Address,
            B = b.Address,
            C = c.Address,
            AStride = a.Stride,
            BStride = b.Stride,
            CStride = cStride,
            M = m,
            N = n,
            K = k,
            Accumulate = accumulate ? 1 : 0,
        });

    // A single row has no stride; one spelling of it saves plans.
    private static long StrideOf(in MatrixView view, int rows) => rows == 1 ? view.Columns : view.Stride;

    private struct CudaArguments
    {
        public nint A;
        public nint B;
        public nint C;
        public long AStride;
        public long BStride;
        public long CStride;
        public int M;
        public int N;
        public int K;
        public int Accumulate;
    }
}
