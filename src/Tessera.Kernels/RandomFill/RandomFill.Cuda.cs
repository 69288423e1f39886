using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class RandomFill
{
    private const int CudaThreads = 256;

    private static readonly CudaKernel<CudaArguments> GaussianKernel = new("RandomFill.cu", "random_gaussian", "TARGET");
    private static readonly CudaKernel<CudaArguments> ConstantKernel = new("RandomFill.cu", "fill_constant", "TARGET");

    private static void FillCuda(
        CudaDevice cuda, CudaKernel<CudaArguments> kernel, Elements target, long count, ulong seed, ulong stream, long first, float value)
    {
        int blocks = (int)Math.Min((count + CudaThreads - 1) / CudaThreads, CudaRows.MostBlocks(cuda));
        kernel.Launch(cuda, new KernelVariant(CudaRows.Code(target)), blocks, CudaThreads, 0, new CudaArguments
        {
            Target = target.Address,
            Seed = seed,
            Stream = stream,
            First = first,
            Count = count,
            Value = value,
        });
    }

    private struct CudaArguments
    {
        public nint Target;
        public ulong Seed;
        public ulong Stream;
        public long First;
        public long Count;
        public float Value;
    }
}
