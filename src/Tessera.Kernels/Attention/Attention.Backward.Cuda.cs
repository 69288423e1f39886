using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The backward on a card: D for every row, then on Hopper one kernel (<see cref="BackwardPipelined"/>), elsewhere one that owns keys
/// and walks over rows, and one that owns rows and walks over keys: scores are computed twice, and no sum has more than one owner.
/// Either way every sum has one order, so the bits are always the same.
/// </content>
public static unsafe partial class Attention
{
    private static readonly CudaKernel<AttentionBackwardArguments> CudaDelta =
        new("AttentionDelta.cu", "attention_delta", "HEAD_DIM", "QUERY_TYPE", "ELEMENTS");

    private static readonly CudaKernel<AttentionBackwardArguments> CudaBackwardKeysHopper =
        new("AttentionBackwardKeysHopper.cu", "attention_backward_keys_hopper", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionBackwardArguments> CudaBackwardQueriesHopper =
        new("AttentionBackwardQueriesHopper.cu", "attention_backward_queries_hopper", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionBackwardArguments> CudaBackwardKeys =
        new("AttentionBackwardKeys.cu", "attention_backward_keys", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionBackwardArguments> CudaBackwardQueries =
        new("AttentionBackwardQueries.cu", "attention_backward_queries", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionBackwardArguments> CudaPlainBackward =
        new("AttentionPlainBackward.cu", "attention_plain_backward", "HEAD_DIM", "ELEMENTS", "QUERY_TYPE", "TILE", "KEYS");

    private static void BackwardCuda(
        CudaDevice cuda,
        in AttentionShape shape,
        in AttentionBounds bounds,
        DType type,
        int alignment,
        in AttentionBackwardArguments given)
    {
        const int LanesOfDelta = 8;
        var mark = cuda.Scratch.Mark();
        var arguments = given;
        long rows = (long)bounds.Tokens * shape.Heads;
        arguments.Delta = cuda.Scratch.Floats(rows);
        CudaDelta.Launch(
            cuda, new KernelVariant(shape.HeadDim, (int)type, Math.Min(4, alignment)), CudaBlocks(rows * LanesOfDelta, 256), 256, 0, arguments);
        if (type != DType.BF16 || alignment == 1 || !BackwardOnTensorCores(cuda, shape, bounds, alignment, arguments))
        {
            BackwardPlain(cuda, shape, bounds, new(shape.HeadDim, Math.Min(4, alignment), (int)type), arguments);
        }

        cuda.Scratch.Release(mark);
    }

    /// <summary>False where the card has too little shared memory.</summary>
    private static bool BackwardOnTensorCores(
        CudaDevice cuda, in AttentionShape shape, in AttentionBounds bounds, int alignment, in AttentionBackwardArguments arguments)
    {
        int headDim = shape.HeadDim, panels = CudaPanels(headDim), padded = CudaPadded(headDim);
        var variant = new KernelVariant(headDim, 2 * alignment);
        if (CudaPipelines(cuda, shape, alignment))
        {
            BackwardPipelined(cuda, shape, bounds, arguments);
            return true;
        }

        if (alignment == 8 && panels <= 128 && CudaHasPanels(cuda, headDim))
        {
            // 128 keys or rows with two operands each; stages of 64 with two operands, and for rows two numbers each.
            CudaBackwardKeysHopper.Launch(
                cuda, variant, CudaKeyTiles(shape, bounds, 128), 256, ((256 + (3 * 128)) * panels * 2) + (3 * 128 * sizeof(float)), arguments);
            CudaBackwardQueriesHopper.Launch(
                cuda, variant, CudaTiles(shape, bounds, 128), 256, (256 + (4 * 128)) * panels * 2, arguments);
            return true;
        }

        // Up to 128 elements a block's own tiles go to registers, and its shared memory is for two stages.
        bool held = padded <= 128;
        int own = held ? 128 : 64, stage = held ? 64 : 32, row = (padded + 8) * 2;
        int keyBytes = ((held ? 4 * stage : (2 * own) + (2 * stage)) * row) + ((held ? 4 : 2) * stage * sizeof(float));
        int rowBytes = (held ? 4 * stage : (2 * own) + (2 * stage)) * row;
        if (padded > 256 || !CudaFits(cuda, keyBytes))
        {
            return false;
        }

        var keyTiles = CudaKeyTiles(shape, bounds, own) with { Z = CudaBlocks(padded, 128) };
        CudaBackwardKeys.Launch(cuda, variant, keyTiles, 2 * own, keyBytes, arguments);
        CudaBackwardQueries.Launch(cuda, variant, CudaTiles(shape, bounds, own), 2 * own, rowBytes, arguments);
        return true;
    }

    private static void BackwardPlain(
        CudaDevice cuda, in AttentionShape shape, in AttentionBounds bounds, in KernelVariant variant, in AttentionBackwardArguments arguments)
    {
        int padded = CudaPadded(shape.HeadDim), tile = padded <= 128 ? 32 : 16;
        int bytes = ((4 * tile * (padded + 4)) + (2 * tile * (tile + 4))) * sizeof(float);
        CudaRequire(cuda, shape, bytes);
        CudaPlainBackward.Launch(
            cuda, new KernelVariant(variant[0], variant[1], variant[2], tile, 1), CudaKeyTiles(shape, bounds, tile), 256, bytes, arguments);
        CudaPlainBackward.Launch(
            cuda, new KernelVariant(variant[0], variant[1], variant[2], tile, 0), CudaTiles(shape, bounds, tile), 256, bytes, arguments);
    }

    /// <summary>As many blocks as tiles of <paramref name="keys"/> keys there can be.</summary>
    private static CudaExtent CudaKeyTiles(in AttentionShape shape, in AttentionBounds bounds, int keys) =>
        new(CudaBlocks(bounds.Tokens, keys) + bounds.Segments, shape.KvHeads);
}
