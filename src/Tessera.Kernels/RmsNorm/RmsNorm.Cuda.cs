using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>On a card: threads keep their part of a row in registers, so that it is read once.</content>
public static unsafe partial class RmsNorm
{
    // Packs of a row in a thread's registers: the backward keeps two rows and a sum.
    private const int ForwardPacks = 4;
    private const int BackwardPacks = 2;

    // Rows of threads of the backward: few, because each leaves a partial sum as wide as a row, yet enough for every card.
    private const int FewestBlocks = 256;
    private const int MostBlocks = 1024;
    private const int PartialElements = 1 << 20;
    private const int TokensOfRow = 4;

    private static readonly CudaKernel<CudaForward> ForwardKernel =
        new("RmsNorm.cu", "rmsnorm_forward", "X", "BRANCH", "Y", "GAIN", "ADDS", "PACK", "WARPS", "CHUNKS") { StartsEarly = true };

    private static readonly CudaKernel<CudaBackward> BackwardKernel =
        new("RmsNorm.cu", "rmsnorm_backward", "X", "BRANCH", "Y", "GAIN", "ADDS", "PACK", "WARPS", "CHUNKS");

    private static void ForwardCuda(
        CudaDevice cuda, Elements x, Elements branch, Elements updated, Elements gain, Elements y, float* inverseRms, int tokens,
        int width, float epsilon)
    {
        CudaRows.CheckAlike("rms norm: the residual stream before and after the addition", x, updated);
        var cut = CudaRows.RowCut.Of(width, ForwardPacks, x.Address, branch.Address, updated.Address, gain.Address, y.Address);
        var variant = new KernelVariant(
            CudaRows.Code(x), CudaRows.Code(branch), CudaRows.Code(y), CudaRows.Code(gain), branch.Exists ? 1 : 0, cut.Pack, cut.Warps,
            cut.Chunks);
        ForwardKernel.Launch(cuda, variant, CudaRows.Divide(tokens, cut.Rows), cut.Threads, 0, new CudaForward
        {
            X = x.Address,
            Branch = branch.Address,
            Updated = updated.Address,
            Gain = gain.Address,
            Y = y.Address,
            InverseRms = inverseRms,
            Tokens = tokens,
            Width = width,
            Epsilon = epsilon,
        });
    }

    private static void BackwardCuda(
        CudaDevice cuda, Elements gradY, Elements x, float* inverseRms, Elements gain, Elements gradX, Elements gradGain, int tokens,
        int width)
    {
        var mark = cuda.Scratch.Mark();
        var cut = CudaRows.RowCut.Of(width, BackwardPacks, gradY.Address, x.Address, gain.Address, gradX.Address);
        int most = Math.Clamp(PartialElements / width, FewestBlocks, MostBlocks);
        int blocks = Math.Min(CudaRows.Divide(tokens, cut.Rows * TokensOfRow), most), rows = Math.Min(blocks * cut.Rows, tokens);
        float* partials = gradGain.Exists ? cuda.Scratch.Floats((long)rows * width) : null;
        var variant = new KernelVariant(
            CudaRows.Code(x), CudaRows.Code(gradX), CudaRows.Code(gradY), CudaRows.Code(gain), gradX == gradY ? 0 : 1, cut.Pack, cut.Warps, cut.Chunks);
        BackwardKernel.Launch(cuda, variant, blocks, cut.Threads, 0, new CudaBackward
        {
            GradY = gradY.Address,
            X = x.Address,
            InverseRms = inverseRms,
            Gain = gain.Address,
            GradX = gradX.Address,
            Partials = partials,
            Tokens = tokens,
            Width = width,
        });
        if (gradGain.Exists)
        {
            ColumnSums.AddPartials(cuda, partials, rows, width, gradGain);
        }

        cuda.Scratch.Release(mark);
    }

    private struct CudaForward
    {
        public nint X;
        public nint Branch;
        public nint Updated;
        public nint Gain;
        public nint Y;
        public float* InverseRms;
        public int Tokens;
        public int Width;
        public float Epsilon;
    }

    private struct CudaBackward
    {
        public nint GradY;
        public nint X;
        public float* InverseRms;
        public nint Gain;
        public nint GradX;
        public float* Partials;
        public int Tokens;
        public int Width;
    }
}
