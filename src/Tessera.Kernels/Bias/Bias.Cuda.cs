using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Bias
{
    private static readonly CudaKernel<CudaArguments> ForwardKernel = new("Bias.cu", "bias_forward", "Y", "BIAS", "PACK") { StartsEarly = true };

    private static void ForwardCuda(CudaDevice cuda, Elements y, Elements bias, int tokens, int width)
    {
        int pack = CudaRows.Pack(width, y.Address, bias.Address);
        ForwardKernel.Launch(
            cuda, new KernelVariant(CudaRows.Code(y), CudaRows.Code(bias), pack), CudaRows.ColumnGrid(cuda, tokens, width, pack),
            CudaRows.ColumnThreads, 0, new CudaArguments { Y = y.Address, Bias = bias.Address, Tokens = tokens, Width = width });
    }

    private struct CudaArguments
    {
        public nint Y;
        public nint Bias;
        public int Tokens;
        public int Width;
    }
}
