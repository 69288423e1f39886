using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// Kernels with roles for Hopper: a warp asks for tiles through tensor maps, warpgroups multiply them. Which shapes and steps they take is
/// decided here; what they do not take is left to the kernels that every card has.
/// </content>
public static unsafe partial class Attention
{
    /// <summary>Keys of a tile, and rows of a tile for each of the warpgroups that share it.</summary>
    private const int CudaPipelinedKeys = 128, CudaPipelinedRows = 64;

    /// <summary>Room for barriers and what else a block keeps beside its tiles.</summary>
    private const int CudaPipelinedBarriers = 256;

    private static readonly CudaKernel<AttentionPipelinedForwardArguments> CudaForwardPipelined =
        new("AttentionForwardPipelined.cu", "attention_forward_pipelined", "HEAD_DIM", "VECTOR_BYTES", "WARPGROUPS");

    private static readonly CudaKernel<AttentionPipelinedBackwardArguments> CudaBackwardPipelined =
        new("AttentionBackwardPipelined.cu", "attention_backward_pipelined", "HEAD_DIM", "VECTOR_BYTES");

    private static readonly CudaKernel<AttentionPipelinedBackwardArguments> CudaBackwardRound =
        new("AttentionBackwardRound.cu", "attention_backward_round", "HEAD_DIM", "VECTOR_BYTES");

    /// <summary>
    /// Whether the pipelined kernels take this shape: instructions of this generation alone, panels of 64 or 128, rows aligned to 16
    /// bytes, and a group that fits into a tile.
    /// </summary>
    private static bool CudaPipelines(CudaDevice cuda, in AttentionShape shape, int alignment) =>
        cuda.Card.Major == 9 && alignment == 8 && shape.HeadDim is >= 64 and <= 128 && shape.GroupSize <= CudaPipelinedRows;

    /// <summary>
    /// Whether the pipelined forward takes this step. With panels of 128 both forwards give the same bits, so that a step of short
    /// pieces can go to the one that starts faster; with panels of 64 their tiles differ, and one must take all steps.
    /// </summary>
    private static bool CudaPipelinesForward(CudaDevice cuda, in AttentionShape shape, in CudaForwardCall call) =>
        CudaPipelines(cuda, shape, call.Alignment)
        && (CudaPanels(shape.HeadDim) == 64
            || call.Bounds.LongestQueries >= 256
            || (call.Bounds.LongestQueries >= 64 && call.Bounds.LongestKeys >= 1024));

    private static void ForwardPipelined(
        CudaDevice cuda, in AttentionShape shape, in AttentionBounds bounds, in AttentionForwardArguments arguments)
    {
        // Few elements leave registers for a third warpgroup.
        int panels = CudaPanels(shape.HeadDim), warpgroups = panels == 64 ? 3 : 2, rows = warpgroups * CudaPipelinedRows;
        int tileRows = rows / shape.GroupSize * shape.GroupSize;
        var pipelined = new AttentionPipelinedForwardArguments
        {
            Queries = CudaQueryMap(cuda, shape, arguments.Queries, bounds.Tokens, arguments.QueryStride, tileRows),
            Keys = CudaKeyMap(cuda, shape, arguments.Keys, arguments.KeyValueStride),
            Values = CudaKeyMap(cuda, shape, arguments.Values, arguments.KeyValueStride),
            Call = arguments,
            TileRows = tileRows,
        };

        // Two stages of keys and of values beside the queries, and rows of results with 16 bytes more than a row.
        int bytes = ((rows + (4 * CudaPipelinedKeys)) * panels * sizeof(ushort)) + (rows * (panels + 8) * sizeof(ushort)) + CudaPipelinedBarriers;
        int blocks = (int)Math.Min(cuda.Multiprocessors, CudaTilesOfHeads(shape, bounds, tileRows));
        CudaForwardPipelined.Launch(
            cuda, new KernelVariant(shape.HeadDim, 16, warpgroups), blocks, 128 * (warpgroups + 1), bytes, pipelined);
    }

    /// <summary>
    /// One kernel for all three gradients. Those of queries are summed in f32 in scratch, tokens · H whole panels, by every block of
    /// keys after the one before, and rounded at the end.
    /// </summary>
    private static void BackwardPipelined(
        CudaDevice cuda, in AttentionShape shape, in AttentionBounds bounds, in AttentionBackwardArguments arguments)
    {
        int panels = CudaPanels(shape.HeadDim), rows = panels == 64 ? 128 : 64, tileRows = rows / shape.GroupSize * shape.GroupSize;
        var mark = cuda.Scratch.Mark();
        long turns = (long)bounds.Tokens * shape.KvHeads;
        var pipelined = new AttentionPipelinedBackwardArguments
        {
            Queries = CudaQueryMap(cuda, shape, arguments.Queries, bounds.Tokens, arguments.QueryStride, tileRows),
            Grads = CudaQueryMap(cuda, shape, arguments.GradOutput, bounds.Tokens, arguments.OutputStride, tileRows),
            Keys = CudaKeyMap(cuda, shape, arguments.Keys, arguments.KeyValueStride),
            Values = CudaKeyMap(cuda, shape, arguments.Values, arguments.KeyValueStride),
            Call = arguments,
            Sums = cuda.Scratch.Floats((long)bounds.Tokens * shape.Heads * panels),
            Turns = (int*)cuda.Scratch.Floats(turns),
            TileRows = tileRows,
        };
        cuda.Clear((nint)pipelined.Turns, turns * sizeof(int));

        // A block's own keys and values; two stages each of queries and gradients, of gradients of scores, of sums, and of two numbers
        // a row.
        int bytes = (2 * CudaPipelinedKeys * panels * sizeof(ushort)) + (4 * rows * panels * sizeof(ushort))
            + (2 * rows * CudaPipelinedKeys * sizeof(ushort)) + (2 * rows * panels * sizeof(float)) + (4 * rows * sizeof(float))
            + CudaPipelinedBarriers;
        var variant = new KernelVariant(shape.HeadDim, 16);
        int blocks = checked(CudaKeyTiles(shape, bounds, CudaPipelinedKeys).X * shape.KvHeads);
        CudaBackwardPipelined.Launch(cuda, variant, blocks, 384, bytes, pipelined);
        CudaBackwardRound.Launch(cuda, variant, checked((int)CudaTilesOfHeads(shape, bounds, tileRows)), 256, 0, pipelined);
        cuda.Scratch.Release(mark);
    }

    /// <summary>At least as many as there are tiles of <paramref name="rows"/> rows in all key-value heads.</summary>
    private static long CudaTilesOfHeads(in AttentionShape shape, in AttentionBounds bounds, int rows) =>
        (((long)bounds.Tokens * shape.GroupSize / rows) + 1 + bounds.Segments) * shape.KvHeads;

    private static TensorMap CudaQueryMap(CudaDevice cuda, in AttentionShape shape, nint queries, int tokens, long stride, int tileRows) =>
        TensorMap.OfHeads(cuda, queries, shape.HeadDim, shape.Heads, tokens, stride, shape.GroupSize, tileRows / shape.GroupSize);

    /// <summary>How many rows there are is not known here: only positions of a sequence are asked for.</summary>
    private static TensorMap CudaKeyMap(CudaDevice cuda, in AttentionShape shape, nint keys, long stride) =>
        TensorMap.OfHeads(cuda, keys, shape.HeadDim, shape.KvHeads, int.MaxValue, stride, 1, AttentionSegment.PagePositions);
}
