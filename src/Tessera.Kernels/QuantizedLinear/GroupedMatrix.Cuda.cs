using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Rounding on a card, where the values lie there already: fresh weights. A warp has a group of a row.</content>
public static unsafe partial class GroupedMatrix
{
    private const int CudaStoreWarps = 8;

    private static readonly CudaKernel<CudaStoreArguments> CudaStore = new("GroupedMatrix.cu", "grouped_store", "W_BITS");

    /// <returns>As <see cref="Run"/>.</returns>
    private static long StoreCuda(CudaDevice cuda, in MatrixView matrix, int firstRow, int rows, float* values, long stride)
    {
        int groups = Groups(matrix.Columns);
        var mark = cuda.Scratch.Mark();
        nint refused = cuda.Scratch.AllocateZeroed(sizeof(long));
        CudaStore.Launch(
            cuda, new KernelVariant(matrix.Type == DType.Int8 ? 8 : 4), RowLaunch.Blocks((long)rows * groups, CudaStoreWarps),
            CudaStoreWarps * 32, 0, new CudaStoreArguments
            {
                Values = values,
                Matrix = matrix.Address,
                Refused = refused,
                Stride = stride,
                FirstRow = firstRow,
                Rows = rows,
                Columns = matrix.Columns,
                Groups = groups,
            });
        long distance = 0;
        cuda.Download(refused, new Span<long>(ref distance));
        cuda.Scratch.Release(mark);
        return distance == 0 ? Transfer.Fine : Transfer.Fine - distance;
    }

    private struct CudaStoreArguments
    {
        public float* Values;
        public nint Matrix;
        public nint Refused;
        public long Stride;
        public int FirstRow;
        public int Rows;
        public int Columns;
        public int Groups;
    }
}
