using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>On a card positions are device data: one that the table does not cover leaves its row as it is, and the caller checks.</content>
public static unsafe partial class Rope
{
    private static readonly CudaKernel<CudaArguments> RotateKernel = new("Rope.cu", "rope_rotate", "ROWS", "PACK");

    private static void RotateCuda(
        CudaDevice cuda, Elements rows, long stride, int heads, int half, int* positions, int tokens, RopeTable table, float direction)
    {
        int pack = CudaRows.Pack(stride | (uint)half, rows.Address, (nint)table.Cosines, (nint)table.Sines);
        CudaExtent threads = CudaRows.RowThreads(heads * (half / pack));
        RotateKernel.Launch(
            cuda, new KernelVariant(CudaRows.Code(rows), pack), CudaRows.Divide(tokens, threads.Y), threads, 0, new CudaArguments
            {
                Rows = rows.Address,
                Positions = positions,
                Cosines = table.Cosines,
                Sines = table.Sines,
                Stride = stride,
                Tokens = tokens,
                Heads = heads,
                Half = half,
                Covered = table.Positions,
                Direction = direction,
            });
    }

    private struct CudaArguments
    {
        public nint Rows;
        public int* Positions;
        public float* Cosines;
        public float* Sines;
        public long Stride;
        public int Tokens;
        public int Heads;
        public int Half;
        public int Covered;
        public float Direction;
    }
}
