using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>Products with integer groups on a card: the processor's arithmetic, so its bits where tokens are f32.</content>
public static unsafe partial class QuantizedLinear
{
    // Up to this many tokens a thread has one group of one row; beyond, the tensor cores have 16 rows and 8 tokens a group. On an
    // H100 and weights of 14336 × 4096 the two took 65 and 116 µs for 8 tokens, 151 and 128 for 16.
    private const int CudaFewTokens = 8;
    private const int CudaFewThreads = 256;

    // As in QuantizedLinear.cu and QuantizedLinear.Many.cu.
    private const int CudaRoundGroups = 8;
    private const int CudaManyTiles = 4;
    private const int CudaManyThreads = 128;
    private const int CudaManyTokens = 32;
    private const int CudaTokenTile = 8;

    private static readonly CudaKernel<CudaRoundArguments> CudaRound = new("QuantizedLinear.cu", "quantized_round", "X_TYPE") { StartsEarly = true };

    private static readonly CudaKernel<CudaProductArguments> CudaFew =
        new("QuantizedLinear.cu", "quantized_product", "Y_TYPE", "W_BITS", "TOKENS") { StartsEarly = true, ReadsThroughCache = true };

    private static readonly CudaKernel<CudaProductArguments> CudaMany =
        new("QuantizedLinear.Many.cu", "quantized_product_many", "Y_TYPE", "W_BITS");

    private static void ForwardCuda(
        CudaDevice cuda, Elements input, long inputStride, in MatrixView weight, Elements output, long outputStride, int tokens,
        bool accumulate)
    {
        if (tokens == 0 || weight.Rows == 0)
        {
            return;
        }

        int groups = GroupedMatrix.Groups(weight.Columns), width = RowLaunch.Blocks(tokens, CudaTokenTile) * CudaTokenTile;
        int tiles = RowLaunch.Blocks(weight.Rows, TileRows), bits = weight.Type == DType.Int8 ? 8 : 4;
        long rounded = (long)tokens * groups, entries = (long)width * groups;
        var mark = cuda.Scratch.Mark();
        var round = new CudaRoundArguments
        {
            X = input.Address,
            Bytes = cuda.Scratch.Allocate(rounded * DTypes.GroupElements),
            Scales = cuda.Scratch.Allocate(entries * sizeof(float)),
            Starts = cuda.Scratch.Allocate(entries * sizeof(int)),
            Stride = inputStride,
            Tokens = tokens,
            Columns = weight.Columns,
            Groups = groups,
            Width = width,
            Offset = OffsetOf(weight.Type),
        };
        CudaRound.Launch(
            cuda, new KernelVariant((int)input.Type), RowLaunch.Blocks(rounded, CudaRoundGroups), CudaRoundGroups * 32, 0, round);
        var product = new CudaProductArguments
        {
            Weight = weight.Address,
            Bytes = round.Bytes,
            Scales = round.Scales,
            Starts = round.Starts,
            Y = output.Address,
            Stride = outputStride,
            Tokens = tokens,
            Outputs = weight.Rows,
            Groups = groups,
            Width = width,
            Accumulate = accumulate ? 1 : 0,
        };
        if (tokens <= CudaFewTokens)
        {
            int held = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)tokens);
            CudaFew.Launch(cuda, new KernelVariant((int)output.Type, bits, held), tiles, CudaFewThreads, 0, product);
        }
        else
        {
            CudaMany.Launch(
                cuda, new KernelVariant((int)output.Type, bits),
                (RowLaunch.Blocks(tokens, CudaManyTokens), RowLaunch.Blocks(tiles, CudaManyTiles)), CudaManyThreads, 0, product);
        }

        cuda.Scratch.Release(mark);
    }

    private struct CudaRoundArguments
    {
        public nint X;
        public nint Bytes;
        public nint Scales;
        public nint Starts;
        public long Stride;
        public int Tokens;
        public int Columns;
        public int Groups;
        public int Width;
        public int Offset;
    }

    private struct CudaProductArguments
    {
        public nint Weight;
        public nint Bytes;
        public nint Scales;
        public nint Starts;
        public nint Y;
        public long Stride;
        public int Tokens;
        public int Outputs;
        public int Groups;
        public int Width;
        public int Accumulate;
    }
}
