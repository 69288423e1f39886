using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rounding on a card, where weights and tokens lie: a block has a row.</content>
public static unsafe partial class Fp8Matrix
{
    private const int CudaThreads = 256;
    private const int CudaLoadBytes = 16;

    private static readonly CudaKernel<CudaStoreArguments> CudaStore =
        new("Fp8Matrix.cu", "fp8_store", "X_TYPE", "PACK") { StartsEarly = true };

    private static readonly CudaKernel<CudaWidenArguments> CudaWiden = new("Fp8Matrix.cu", "fp8_widen", "X_TYPE", "PACK");

    /// <summary>Rounds all rows of a matrix; see <see cref="Store"/>.</summary>
    internal static void StoreCuda(CudaDevice cuda, in MatrixView target, Elements values, long stride)
    {
        RequireFp8(cuda);
        int pack = CudaLoadBytes / values.Type.Bytes();
        bool isPacked = target.Columns % pack == 0 && stride % pack == 0 && values.Address % CudaLoadBytes == 0;
        CudaStore.Launch(
            cuda, new KernelVariant((int)values.Type, isPacked ? pack : 1), target.Rows, CudaThreads, 0, new CudaStoreArguments
            {
                Values = values.Address,
                Matrix = target.Address,
                Scales = target.Scales,
                Stride = stride,
                Pitch = target.Stride,
                Columns = target.Columns,
            });
    }

    /// <summary>The numbers of all rows without their scales, exact: [rows, matrix.Stride] in bf16.</summary>
    internal static void WidenCuda(CudaDevice cuda, in MatrixView matrix, nint values)
    {
        long count = matrix.Rows * matrix.Stride;
        CudaWiden.Launch(
            cuda, new KernelVariant((int)DType.BF16, 1), RowLaunch.Blocks(count, CudaLoadBytes * CudaThreads), CudaThreads, 0,
            new CudaWidenArguments { Matrix = matrix.Address, Values = values, Count = count });
    }

    /// <exception cref="NotSupportedException">The card has no E4M3.</exception>
    internal static void RequireFp8(CudaDevice cuda)
    {
        if (!cuda.Card.HasFp8)
        {
            throw new NotSupportedException(
                $"fp8 weights need a card of compute capability 8.9 or newer, and {cuda.Card.Name} has {cuda.Card.Major}.{cuda.Card.Minor}");
        }
    }

    private struct CudaStoreArguments
    {
        public nint Values;
        public nint Matrix;
        public nint Scales;
        public long Stride;
        public long Pitch;
        public int Columns;
    }

    private struct CudaWidenArguments
    {
        public nint Matrix;
        public nint Values;
        public long Count;
    }
}
