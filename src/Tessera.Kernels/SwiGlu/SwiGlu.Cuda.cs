using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class SwiGlu
{
    private static readonly CudaKernel<CudaArguments> ForwardKernel = new("SwiGlu.cu", "swiglu_forward", "ROWS", "HIDDEN", "PACK") { StartsEarly = true };

    private static readonly CudaKernel<CudaArguments> BackwardKernel = new("SwiGlu.cu", "swiglu_backward", "ROWS", "HIDDEN", "PACK");

    private static void LaunchCuda(
        CudaKernel<CudaArguments> kernel, CudaDevice cuda, Elements gateUp, Elements h, Elements gradGateUp, int tokens, int width)
    {
        CudaRows.CheckAlike("swiglu: gates and ups, and their gradient", gateUp, gradGateUp);
        int pack = CudaRows.Pack(width, gateUp.Address, h.Address, gradGateUp.Address);
        kernel.Launch(
            cuda, new KernelVariant(CudaRows.Code(gateUp), CudaRows.Code(h), pack), CudaRows.ColumnGrid(cuda, tokens, width, pack),
            CudaRows.ColumnThreads, 0, new CudaArguments
            {
                GateUp = gateUp.Address,
                H = h.Address,
                GradGateUp = gradGateUp.Address,
                Tokens = tokens,
                Width = width,
            });
    }

    private struct CudaArguments
    {
        public nint GateUp;
        public nint H;
        public nint GradGateUp;
        public int Tokens;
        public int Width;
    }
}
