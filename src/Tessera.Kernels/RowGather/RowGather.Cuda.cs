using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class RowGather
{
    private static readonly CudaKernel<CudaArguments> Kernel = new("RowGather.cu", "row_gather", "SOURCE", "TARGET", "PACK") { StartsEarly = true };

    /// <summary>As <see cref="Forward"/>; the source may be of int8 or int4 groups, too. Rows outside it give zeros.</summary>
    internal static void ForwardCuda(CudaDevice cuda, in MatrixView source, int* rows, int count, Elements target)
    {
        bool grouped = source.Type.IsGrouped();
        int width = source.Columns;
        int pack = CudaRows.Pack(grouped ? width : (uint)width | source.Stride, source.Address, target.Address);
        CudaExtent threads = CudaRows.RowThreads(CudaRows.Divide(width, pack));
        Kernel.Launch(
            cuda, new KernelVariant(grouped ? (int)source.Type : CudaRows.Code(source.Type), CudaRows.Code(target), pack),
            CudaRows.Divide(count, threads.Y), threads, 0, new CudaArguments
            {
                Source = source.Address,
                Rows = rows,
                Target = target.Address,
                SourceStride = source.Stride,
                TargetStride = width,
                Count = count,
                Width = width,
                Limit = source.Rows,
            });
    }

    private struct CudaArguments
    {
        public nint Source;
        public int* Rows;
        public nint Target;
        public long SourceStride;
        public long TargetStride;
        public int Count;
        public int Width;
        public int Limit;
    }
}
