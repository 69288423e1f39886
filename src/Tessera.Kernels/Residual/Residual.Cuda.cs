using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Residual
{
    private const int CudaThreads = 256;

    /// <summary>Elements that a thread works on, as in <c>Residual.cu</c>.</summary>
    private const int CudaNeighbours = 8;

    private static readonly CudaKernel<CudaAddArguments> CudaAdd = new("Residual.cu", "residual_add", "A", "B", "SUM") { StartsEarly = true };
    private static readonly CudaKernel<CudaScaleArguments> CudaScale = new("Residual.cu", "residual_scale", "TARGET");

    private static void AddCuda(CudaDevice cuda, Elements a, Elements b, Elements sum, long count) => CudaAdd.Launch(
        cuda, new KernelVariant((int)a.Type, (int)b.Type, (int)sum.Type), CudaBlocks(count), CudaThreads, 0,
        new CudaAddArguments { A = a.Address, B = b.Address, Sum = sum.Address, Count = count });

    private static void ScaleCuda(CudaDevice cuda, Elements target, float factor, long count) => CudaScale.Launch(
        cuda, new KernelVariant((int)target.Type), CudaBlocks(count), CudaThreads, 0,
        new CudaScaleArguments { Target = target.Address, Count = count, Factor = factor });

    private static int CudaBlocks(long count) => RowLaunch.Blocks(count, CudaThreads * CudaNeighbours);

    private struct CudaAddArguments
    {
        public nint A;
        public nint B;
        public nint Sum;
        public long Count;
    }

    private struct CudaScaleArguments
    {
        public nint Target;
        public long Count;
        public float Factor;
    }
}
