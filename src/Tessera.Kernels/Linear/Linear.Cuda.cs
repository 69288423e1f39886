using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Linear layers on a card; see <see cref="Forward"/> for which bits depend on what.</content>
public static unsafe partial class Linear
{
    /// <summary>On a card, up to this many tokens stream the weight once by kernels of their own; more go to the library.</summary>
    public const int CudaFewTokens = 16;

    // A tile of few tokens reads the weight once for each of them, a larger one keeps fewer multiprocessors busy: the edges are
    // where one overtook the other on an H100, at 4096 × 4096 weights.
    private const int CudaSmallTileTokens = 64;
    private const int CudaMiddleTileTokens = 1024;

    // Blocks of Linear.cu have 16 outputs in either kernel.
    private const int CudaFewOutputs = 16;
    private const int CudaPlainThreads = 512;

    // Warps of a block on the tensor cores; small weights have few blocks, which then need more to have enough loads under way.
    private const int CudaFewWarps = 8;
    private const int CudaManyWarps = 16;
    private const int CudaFewBlocks = 4;

    // The plain kernel is held up by its tokens' loads beyond: reading the weight twice costs less.
    private const int CudaPlainTokens = 8;
    private const int CudaPack = 4;

    // 16 bytes of bf16: what a tensor kernel loads at once.
    private const int CudaTensorPack = 8;

    // Columns of a stage of Linear.Invariant.cu.
    private const int CudaInvariantDepth = 64;

    private static readonly CudaKernel<CudaArguments> CudaFewTensor =
        new("Linear.cu", "linear_few_tensor", "X_TYPE", "W_TYPE", "Y_TYPE", "TOKEN_TILES", "WARPS") { StartsEarly = true, ReadsThroughCache = true };

    private static readonly CudaKernel<CudaArguments> CudaFewPlain =
        new("Linear.cu", "linear_few", "X_TYPE", "W_TYPE", "Y_TYPE", "TOKENS", "PACK") { StartsEarly = true, ReadsThroughCache = true };

    private static readonly CudaKernel<CudaArguments> CudaInvariant =
        new("Linear.Invariant.cu", "linear_invariant", "Y_TYPE", "TILE_TOKENS", "TILE_OUTPUTS");

    private static void ForwardCuda(
        CudaDevice cuda, Elements input, long inputStride, in MatrixView weight, Elements output, long outputStride, int tokens,
        bool accumulate, bool invariant)
    {
        var x = new MatrixView(input.Address, input.Type, tokens, weight.Columns, inputStride);
        if (tokens == 0 || weight.Rows == 0)
        {
            return;
        }

        var arguments = new CudaArguments
        {
            X = input.Address,
            W = weight.Address,
            Y = output.Address,
            XStride = inputStride,
            WStride = weight.Stride,
            YStride = outputStride,
            Tokens = tokens,
            Outputs = weight.Rows,
            Inputs = weight.Columns,
            Accumulate = accumulate ? 1 : 0,
        };
        bool isTensor = x.Type == DType.BF16 && weight.Type == DType.BF16 && IsPacked(x, CudaTensorPack)
            && IsPacked(weight, CudaTensorPack);
        if (invariant && isTensor)
        {
            LaunchInvariant(cuda, output.Type, arguments);
        }
        else if (invariant)
        {
            Gemm.MultiplyPlainly(
                cuda, x, false, weight, true, output, outputStride, tokens, weight.Rows, weight.Columns, accumulate);
        }
        else if (tokens > CudaFewTokens)
        {
            Gemm.MultiplyCuda(cuda, x, false, weight, true, output, outputStride, tokens, weight.Rows, weight.Columns, accumulate);
        }
        else if (isTensor)
        {
            int blocks = RowLaunch.Blocks(weight.Rows, CudaFewOutputs);
            int warps = blocks > CudaFewBlocks * cuda.Multiprocessors ? CudaFewWarps : CudaManyWarps;
            CudaFewTensor.Launch(
                cuda, new KernelVariant((int)x.Type, (int)weight.Type, (int)output.Type, tokens <= 8 ? 1 : 2, warps), blocks,
                32 * warps, 0, arguments);
        }
        else
        {
            int pack = IsPacked(x, CudaPack) && IsPacked(weight, CudaPack) ? CudaPack : 1;
            for (int first = 0; first < tokens; first += CudaPlainTokens)
            {
                arguments.X = (input + (first * inputStride)).Address;
                arguments.Y = (output + (first * outputStride)).Address;
                arguments.Tokens = Math.Min(tokens - first, CudaPlainTokens);
                int held = arguments.Tokens switch { 1 => 1, <= 4 => 4, _ => CudaPlainTokens };
                CudaFewPlain.Launch(
                    cuda, new KernelVariant((int)x.Type, (int)weight.Type, (int)output.Type, held, pack),
                    RowLaunch.Blocks(weight.Rows, CudaFewOutputs), CudaPlainThreads, 0, arguments);
            }
        }
    }

    private static void LaunchInvariant(CudaDevice cuda, DType outputType, in CudaArguments arguments)
    {
        var (tileTokens, tileOutputs, threads, stages) = arguments.Tokens switch
        {
            <= CudaSmallTileTokens => (16, 32, 128, 8),
            <= CudaMiddleTileTokens => (64, 64, 128, 4),
            _ => (128, 128, 256, 3),
        };
        int sharedBytes = stages * (tileTokens + tileOutputs) * CudaInvariantDepth * DType.BF16.Bytes();
        CudaInvariant.Launch(
            cuda, new KernelVariant((int)outputType, tileTokens, tileOutputs),
            (RowLaunch.Blocks(arguments.Tokens, tileTokens), RowLaunch.Blocks(arguments.Outputs, tileOutputs)), threads, sharedBytes,
            arguments);
    }

    /// <summary>Whether every row is whole packs of neighbours, each aligned to its size.</summary>
    private static bool IsPacked(in MatrixView view, int pack)
    {
        long bytes = (long)pack * view.Type.Bytes();
        return view.Columns % pack == 0 && view.Address % bytes == 0
            && (view.Rows == 1 || view.Stride * view.Type.Bytes() % bytes == 0);
    }

    private struct CudaArguments
    {
        public nint X;
        public nint W;
        public nint Y;
        public long XStride;
        public long WStride;
        public long YStride;
        public int Tokens;
        public int Outputs;
        public int Inputs;
        public int Accumulate;
    }
}
