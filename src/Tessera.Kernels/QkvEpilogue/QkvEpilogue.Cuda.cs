using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// On a card the threads of a part of a warp share a head. Positions are device data: one that the table does not cover leaves its
/// row without rotation, and the caller checks.
/// </content>
public static unsafe partial class QkvEpilogue
{
    private const int CudaThreads = 256;
    private const int LanesOfWarp = 32;

    // Blocks of the backward, each of which leaves a partial sum of the gains' gradients, and heads that are worth a group of threads.
    private const int MostBlocks = 264;
    private const int HeadsOfGroup = 4;

    private static readonly CudaKernel<CudaArguments> ForwardKernel =
        new("QkvEpilogue.cu", "qkv_forward", "ROWS", "BIAS", "GAIN", "PACK", "LANES", "CHUNKS") { StartsEarly = true };

    private static readonly CudaKernel<CudaArguments> BackwardKernel =
        new("QkvEpilogue.cu", "qkv_backward", "ROWS", "BIAS", "GAIN", "PACK", "LANES", "CHUNKS");

    private static void ForwardCuda(
        CudaDevice cuda, in AttentionShape shape, Elements qkv, in QkvWeights weights, int* positions, int tokens, RopeTable table,
        Elements normInput, float* inverseRms)
    {
        var arguments = Arguments(shape, qkv, weights, positions, tokens, table, normInput, inverseRms);
        int groups = CudaThreads / Cut(shape, arguments).Lanes;
        ForwardKernel.Launch(
            cuda, Variant(shape, qkv, weights, arguments), CudaRows.Divide((long)tokens * arguments.TouchedHeads, groups), CudaThreads, 0,
            arguments);
    }

    private static void BackwardCuda(
        CudaDevice cuda, in AttentionShape shape, Elements gradQkv, in QkvWeights weights, in QkvWeights gradients, int* positions,
        int tokens, RopeTable table, Elements normInput, float* inverseRms)
    {
        // The bias is not read here: where there is none, the value heads have nothing to do.
        var gains = weights with { Bias = default };
        var mark = cuda.Scratch.Mark();
        var arguments = Arguments(shape, gradQkv, gains, positions, tokens, table, normInput, inverseRms);
        int groups = CudaThreads / Cut(shape, arguments).Lanes;
        int blocks = Math.Min(CudaRows.Divide((long)tokens * shape.Heads, groups * HeadsOfGroup), MostBlocks);
        bool sums = weights.QueryGain.Exists && (gradients.QueryGain.Exists || gradients.KeyGain.Exists);
        arguments.Partials = sums ? cuda.Scratch.Floats(2L * blocks * shape.HeadDim) : null;
        BackwardKernel.Launch(cuda, Variant(shape, gradQkv, gains, arguments), new CudaExtent(blocks, 2), CudaThreads, 0, arguments);
        if (sums && gradients.QueryGain.Exists)
        {
            ColumnSums.AddPartials(cuda, arguments.Partials, blocks, shape.HeadDim, gradients.QueryGain);
        }

        if (sums && gradients.KeyGain.Exists)
        {
            ColumnSums.AddPartials(cuda, arguments.Partials + ((long)blocks * shape.HeadDim), blocks, shape.HeadDim, gradients.KeyGain);
        }

        cuda.Scratch.Release(mark);
    }

    private static CudaArguments Arguments(
        in AttentionShape shape, Elements rows, in QkvWeights weights, int* positions, int tokens, RopeTable table, Elements normInput,
        float* inverseRms)
    {
        CudaRows.CheckAlike("qkv epilogue: the projection and the saved input of its norm", rows, normInput);
        CudaRows.CheckAlike("qkv epilogue: the gains of queries and keys", weights.QueryGain, weights.KeyGain);
        return new CudaArguments
        {
            Rows = rows.Address,
            Bias = weights.Bias.Address,
            QueryGain = weights.QueryGain.Address,
            KeyGain = weights.KeyGain.Address,
            Positions = positions,
            Cosines = table.Cosines,
            Sines = table.Sines,
            NormInput = normInput.Address,
            InverseRms = inverseRms,
            Tokens = tokens,
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            TouchedHeads = shape.Heads + (weights.Bias.Exists ? 2 * shape.KvHeads : shape.KvHeads),
            Half = shape.HeadDim / 2,
            Covered = table.Positions,
            Epsilon = weights.Epsilon,
        };
    }

    private static KernelVariant Variant(in AttentionShape shape, Elements rows, in QkvWeights weights, in CudaArguments arguments)
    {
        var (pack, lanes, chunks) = Cut(shape, arguments);
        return new KernelVariant(
            CudaRows.Code(rows), CudaRows.Code(weights.Bias), CudaRows.Code(weights.QueryGain), pack, lanes, chunks);
    }

    /// <summary>Pairs that move together, threads of a head, and packs of pairs of a thread.</summary>
    private static (int Pack, int Lanes, int Chunks) Cut(in AttentionShape shape, in CudaArguments a)
    {
        int half = shape.HeadDim / 2;
        int pack = CudaRows.Pack(half, a.Rows, a.Bias, a.QueryGain, a.KeyGain, a.NormInput, (nint)a.Cosines, (nint)a.Sines);
        int lanes = Math.Min(LanesOfWarp, CudaRows.PowerOfTwo(CudaRows.Divide(half, pack)));
        return (pack, lanes, CudaRows.PowerOfTwo(CudaRows.Divide(half, pack * lanes)));
    }

    private struct CudaArguments
    {
        public nint Rows;
        public nint Bias;
        public nint QueryGain;
        public nint KeyGain;
        public int* Positions;
        public float* Cosines;
        public float* Sines;
        public nint NormInput;
        public float* InverseRms;
        public float* Partials;
        public int Tokens;
        public int Heads;
        public int KvHeads;
        public int TouchedHeads;
        public int Half;
        public int Covered;
        public float Epsilon;
    }
}
