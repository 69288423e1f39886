using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Conversion
{
    private const int CudaThreads = 256;

    // The number of binary16 in Conversion.cu; f32 and bf16 have DType's.
    private const int F16 = 2;

    private static readonly CudaKernel<CudaArguments> Kernel = new("Conversion.cu", "convert", "FROM", "TO", "PACK") { StartsEarly = true };

    private static void ConvertCuda(CudaDevice cuda, int from, void* source, int to, void* target, long count)
    {
        // Stores of whole lines: four f32 or eight halves a thread.
        int pack = to == (int)DType.F32 ? CudaRows.WidePack / 2 : CudaRows.WidePack;
        if (CudaRows.Pack(CudaRows.WidePack, (nint)source, (nint)target) == 1)
        {
            pack = 1;
        }

        int blocks = (int)Math.Min((count + (CudaThreads * pack) - 1) / (CudaThreads * pack), CudaRows.MostBlocks(cuda));
        Kernel.Launch(
            cuda, new KernelVariant(from, to, pack), blocks, CudaThreads, 0,
            new CudaArguments { Source = source, Target = target, Count = count });
    }

    private struct CudaArguments
    {
        public void* Source;
        public void* Target;
        public long Count;
    }
}
