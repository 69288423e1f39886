using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// The forward on a card. The query heads of a key-value head are rows of one matrix, so that they share what is loaded; a block
/// finds its sequence and tile from the segments in the card's memory. Sequences with several queries go by tiles of rows, those
/// with one by parts of their keys; both kernels are launched over all segments, and each skips the other's.
/// </content>
public static unsafe partial class Attention
{
    /// <summary>Keys of one part of a decoding query's sum, whatever the batch is: <c>SPLIT_KEYS</c>.</summary>
    private const int CudaSplitKeys = 256;

    /// <summary>Query heads that a block for decoding takes at once.</summary>
    private const int CudaDecodeHeads = 16;

    /// <summary>Partial sums of one launch are at most this large; sequences that need more are decoded by several launches.</summary>
    private const long CudaPartBytes = 64L << 20;

    /// <summary>Blocks that one dimension of a grid can have, but for the first.</summary>
    private const int CudaGridLimit = 65_535;

    private static readonly CudaKernel<AttentionForwardArguments> CudaForwardHopper =
        new("AttentionForwardHopper.cu", "attention_forward_hopper", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionForwardArguments> CudaForward =
        new("AttentionForward.cu", "attention_forward", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionForwardArguments> CudaPlainForward = new(
        "AttentionPlainForward.cu", "attention_plain_forward", "HEAD_DIM", "ELEMENTS", "QUERY_TYPE", "KEY_VALUE_TYPE", "ROWS", "SPLITS");

    private static readonly CudaKernel<AttentionForwardArguments> CudaDecode =
        new("AttentionDecode.cu", "attention_decode", "HEAD_DIM", "VECTOR_BYTES") { StartsEarly = true };

    private static readonly CudaKernel<AttentionForwardArguments> CudaCombine =
        new("AttentionCombine.cu", "attention_combine", "HEAD_DIM", "QUERY_TYPE") { StartsEarly = true };

    private static void ForwardCuda(CudaDevice cuda, in AttentionShape shape, in CudaForwardCall call)
    {
        // A forward that keeps its log-sum-exp is that of a training step, whose sequences have many queries; by tiles alone it also
        // has the bits of a longer sequence's rows. The same is asked for where bits must not depend on how a sequence is cut.
        bool tilesAlone = call.Arguments.LogSumExp != null || call.Bounds.IsInvariant;
        var arguments = call.Arguments;
        arguments.LeastQueries = tilesAlone ? 1 : 2;
        if (call.Bounds.LongestQueries >= arguments.LeastQueries)
        {
            ForwardByTiles(cuda, shape, call, arguments);
        }

        if (!tilesAlone)
        {
            ForwardBySplits(cuda, shape, call, arguments);
        }
    }

    /// <summary>Sequences with several queries: tiles of rows, from the end of every sequence, where they see most keys.</summary>
    private static void ForwardByTiles(
        CudaDevice cuda, in AttentionShape shape, in CudaForwardCall call, in AttentionForwardArguments arguments)
    {
        int headDim = shape.HeadDim, padded = CudaPadded(headDim), panels = CudaPanels(headDim);
        bool halves = call.QueryType == DType.BF16 && call.KeyValueType == DType.BF16;
        if (halves && CudaPipelinesForward(cuda, shape, call))
        {
            ForwardPipelined(cuda, shape, call.Bounds, arguments);
            return;
        }

        if (halves && call.Alignment == 8 && CudaHasPanels(cuda, headDim))
        {
            const int Rows = 128;
            int keys = panels == 128 ? 128 : 64;
            CudaForwardHopper.Launch(
                cuda, new KernelVariant(headDim, 16), CudaTiles(shape, call.Bounds, Rows), 256, (Rows + (4 * keys)) * panels * 2, arguments);
            return;
        }

        int rows = padded <= 128 ? 128 : 64;
        int bytes = (rows + 128) * (padded + 8) * 2;
        if (halves && call.Alignment > 1 && padded <= 256 && CudaFits(cuda, bytes))
        {
            CudaForward.Launch(
                cuda, new KernelVariant(headDim, 2 * call.Alignment), CudaTiles(shape, call.Bounds, rows), 128, bytes, arguments);
            return;
        }

        rows = padded <= 128 ? 64 : 32;
        bytes = (((2 * rows) * (padded + 4)) + (rows * (rows + 4))) * sizeof(float);
        CudaRequire(cuda, shape, bytes);
        CudaPlainForward.Launch(
            cuda, CudaPlainVariant(headDim, call, rows, splits: 0), CudaTiles(shape, call.Bounds, rows), 256, bytes, arguments);
    }

    /// <summary>Sequences with one query: parts of 256 keys, and where there is more than one, their sum.</summary>
    private static void ForwardBySplits(
        CudaDevice cuda, in AttentionShape shape, in CudaForwardCall call, in AttentionForwardArguments given)
    {
        var arguments = given;
        int headDim = shape.HeadDim, padded = CudaPadded(headDim);
        int splits = CudaBlocks(call.Bounds.LongestKeys, CudaSplitKeys);
        arguments.Splits = shape.Window == 0 ? splits : Math.Min(splits, CudaBlocks(shape.Window, CudaSplitKeys) + 1);
        long floats = (long)arguments.Splits * shape.Heads * (headDim + 2);
        long most = arguments.Splits == 1 ? CudaGridLimit : Math.Clamp(CudaPartBytes / (floats * sizeof(float)), 1, CudaGridLimit);
        int together = (int)Math.Min(call.Bounds.Segments, most);
        var mark = cuda.Scratch.Mark();
        if (arguments.Splits > 1)
        {
            arguments.PartOutputs = cuda.Scratch.Floats(together * floats);
            arguments.PartStatistics = arguments.PartOutputs + ((long)together * arguments.Splits * shape.Heads * headDim);
        }

        bool halves = call.QueryType == DType.BF16 && call.KeyValueType == DType.BF16;
        // Two tiles each of keys and values: the next come while these are used.
        int bytes = (CudaDecodeHeads + (4 * AttentionSegment.PagePositions)) * (padded + 8) * 2;
        bool onTensorCores = halves && call.Alignment > 1 && padded <= 256 && CudaFits(cuda, bytes);
        if (!onTensorCores)
        {
            bytes = (((CudaDecodeHeads + 64) * (padded + 4)) + (CudaDecodeHeads * 68)) * sizeof(float);
            CudaRequire(cuda, shape, bytes);
        }

        int groups = shape.KvHeads * CudaBlocks(shape.GroupSize, CudaDecodeHeads);
        for (int first = 0; first < call.Bounds.Segments; first += together)
        {
            int count = Math.Min(together, call.Bounds.Segments - first);
            arguments.FirstSegment = first;
            var grid = new CudaExtent(arguments.Splits, groups, count);
            if (onTensorCores)
            {
                CudaDecode.Launch(cuda, new KernelVariant(headDim, 2 * call.Alignment), grid, 128, bytes, arguments);
            }
            else
            {
                CudaPlainForward.Launch(cuda, CudaPlainVariant(headDim, call, CudaDecodeHeads, splits: 1), grid, 256, bytes, arguments);
            }

            if (arguments.Splits > 1)
            {
                CudaCombine.Launch(cuda, new KernelVariant(headDim, (int)call.QueryType), (shape.Heads, count), 256, 0, arguments);
            }
        }

        cuda.Scratch.Release(mark);
    }

    private static KernelVariant CudaPlainVariant(int headDim, in CudaForwardCall call, int rows, int splits) =>
        new(headDim, Math.Min(4, call.Alignment), (int)call.QueryType, (int)call.KeyValueType, rows, splits);

    /// <summary>As many blocks as tiles of <paramref name="rows"/> rows there can be; those that find none leave at once.</summary>
    private static CudaExtent CudaTiles(in AttentionShape shape, in AttentionBounds bounds, int rows) =>
        new(CudaBlocks((long)bounds.Tokens * shape.GroupSize, rows) + bounds.Segments, shape.KvHeads);

    private static int CudaBlocks(long count, int each) => checked((int)((count + each - 1) / each));

    /// <summary>Elements of a row in shared memory: whole fragments of 16.</summary>
    private static int CudaPadded(int headDim) => (headDim + 15) / 16 * 16;

    /// <summary>Elements of a row in panels of 64, which warpgroups read.</summary>
    private static int CudaPanels(int headDim) => (headDim + 63) / 64 * 64;

    /// <summary>
    /// Whether warpgroups' kernels serve: instructions of this generation alone, widths of 64, 128 and 256, and for few
    /// elements too much would be padding.
    /// </summary>
    private static bool CudaHasPanels(CudaDevice cuda, int headDim) =>
        cuda.Card.Major == 9 && headDim > 32 && CudaPanels(headDim) is 64 or 128 or 256;

    /// <summary>Whether a block finds room for this much shared memory, and for what the kernels hold besides.</summary>
    private static bool CudaFits(CudaDevice cuda, int bytes) => bytes + 2048 <= cuda.Card.SharedBytes;

    private static void CudaRequire(CudaDevice cuda, in AttentionShape shape, int bytes)
    {
        if (!CudaFits(cuda, bytes))
        {
            throw new ArgumentException(
                $"attention with head dimension {shape.HeadDim} needs {bytes:N0} bytes of shared memory a block, and {cuda.Card.Name} "
                + $"has {cuda.Card.SharedBytes:N0}");
        }
    }

    /// <summary>2³² / G, rounded down, plus 1: a row's query is row · this / 2³², exact while row · G is below 2³².</summary>
    private static long CudaReciprocal(in AttentionShape shape, in AttentionBounds bounds) =>
        (long)bounds.LongestQueries * shape.GroupSize * shape.GroupSize < uint.MaxValue
            ? ((1L << 32) / shape.GroupSize) + 1
            : throw new ArgumentException(
                $"attention of {bounds.LongestQueries:N0} queries with {shape.GroupSize} heads a key-value head is beyond the kernels' indices");

    /// <summary>A forward as the launchers see it.</summary>
    /// <param name="Arguments">What the kernels are given.</param>
    /// <param name="Bounds">What is known of the segments.</param>
    /// <param name="QueryType">Of queries and outputs.</param>
    /// <param name="KeyValueType">Of keys and values.</param>
    /// <param name="Alignment">Elements that lie aligned side by side in every row.</param>
    private readonly record struct CudaForwardCall(
        AttentionForwardArguments Arguments, AttentionBounds Bounds, DType QueryType, DType KeyValueType, int Alignment);
}
