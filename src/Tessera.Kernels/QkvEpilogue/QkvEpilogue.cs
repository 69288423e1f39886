using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// What stands between a packed query-key-value projection and attention, in one pass and in place: bias, norm of every query
/// and key head, rotary positions.
/// </summary>
/// <remarks>
/// z = x + bias in all heads; for query and key heads n = z·s·gain with s = 1 / sqrt(mean_e(z²) + ε), then the rotation of
/// <see cref="Rope"/>. Value heads keep z. Without gains n = z.
/// Shapes: qkv [tokens, (H + 2K)·E], dense; gains [E]; normInput [tokens, (H + K)·E] and inverseRms [tokens, H + K], which
/// the backward needs where there are gains.
/// Types: f32 on the processor; on a card qkv and normInput are f32 or bf16 alike, bias, gains and their gradients each; f32 arithmetic, one rounding at the store.
/// In bf16 the norm works on z as it is stored, also where it is not saved.
/// Error: relative L2 1e-6 at most forward, 3e-6 for gradients.
/// Determinism: bitwise, independent of thread count and of other tokens; sums over tokens run over blocks of 64 in order.
/// Cost: 8 bytes an element, 16 where the norm's input is saved; backward 8, 12 with gains.
/// Source: Dehghani et al. 2023 (norm of queries and keys); Su et al. 2021 (rotation).
/// </remarks>
public static unsafe partial class QkvEpilogue
{
    /// <summary>Finishes the projection of every token.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="shape">H, K and E.</param>
    /// <param name="qkv">The projection, changed in place.</param>
    /// <param name="weights">Bias and gains.</param>
    /// <param name="positions">Position of every row, within the table.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="table">Cosines and sines.</param>
    /// <param name="normInput">Assigned z of the query and key heads, or null.</param>
    /// <param name="inverseRms">Assigned s, or null; both are there or none.</param>
    /// <exception cref="ArgumentException">Shape, gains or table do not fit, or a position is not covered by the table.</exception>
    public static void Forward(
        Device device, in AttentionShape shape, Elements qkv, in QkvWeights weights, int* positions, int tokens, RopeTable table,
        Elements normInput, float* inverseRms)
    {
        Check(shape, weights, tokens, table);
        if (!normInput.Exists != (inverseRms is null))
        {
            throw new ArgumentException("qkv epilogue: the norm's input is saved together with its statistics, or neither is");
        }

        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, shape, qkv, weights, positions, tokens, table, normInput, inverseRms);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        Rope.CheckPositions(scope.Processor, positions, tokens, table);
        var call = Call(shape, qkv, weights, positions, tokens, table, normInput, inverseRms);
        RowLaunch.Run(scope.Processor, &ForwardBody, &call, (long)tokens * shape.PackedWidth);
    }

    /// <summary>Turns the gradient of the finished projection into that of the bare one, in place, and adds up the weights' gradients.</summary>
    /// <remarks>
    /// With g the rotated-back gradient of a query or key head and x̂ = z·s: gradGain += g·x̂ over all its heads and tokens;
    /// dz = s·(g·gain − x̂·mean_e(g·gain·x̂)); gradBias += dz over all tokens.
    /// </remarks>
    /// <param name="device">Where to run.</param>
    /// <param name="shape">H, K and E.</param>
    /// <param name="gradQkv">[tokens, (H + 2K)·E], changed in place.</param>
    /// <param name="weights">As in the forward; bias is not read.</param>
    /// <param name="gradients">Accumulated, laid out like the weights; null for what is frozen.</param>
    /// <param name="positions">As in the forward.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="table">As in the forward.</param>
    /// <param name="normInput">From the forward; null without gains.</param>
    /// <param name="inverseRms">From the forward; null without gains.</param>
    /// <exception cref="ArgumentException">Shape, gains, saved values or table do not fit.</exception>
    public static void Backward(
        Device device, in AttentionShape shape, Elements gradQkv, in QkvWeights weights, in QkvWeights gradients, int* positions,
        int tokens, RopeTable table, Elements normInput, float* inverseRms)
    {
        Check(shape, weights, tokens, table);
        if (weights.QueryGain.Exists && (!normInput.Exists || inverseRms is null))
        {
            throw new ArgumentException("qkv epilogue: the backward of the norm needs its saved input and statistics");
        }

        if (device is CudaDevice cuda)
        {
            BackwardCuda(cuda, shape, gradQkv, weights, gradients, positions, tokens, table, normInput, inverseRms);
            if (gradients.Bias.Exists)
            {
                ColumnSums.Add(cuda, gradQkv, tokens, shape.PackedWidth, gradients.Bias);
            }

            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        Rope.CheckPositions(scope.Processor, positions, tokens, table);
        var mark = cpu.Scratch.Mark();
        var call = Call(shape, gradQkv, weights, positions, tokens, table, normInput, inverseRms);
        int blocks = RowLaunch.Blocks(tokens, RowLaunch.BlockTokens);
        bool sums = weights.QueryGain.Exists && (gradients.QueryGain.Exists || gradients.KeyGain.Exists);
        call.Partials = sums ? cpu.Scratch.Floats(2L * blocks * shape.HeadDim) : null;
        RowLaunch.Run(cpu, &BackwardBody, &call, (long)tokens * shape.PackedWidth);
        for (int block = 0; sums && block < blocks && !cpu.IsPlanning; block++)
        {
            float* partial = call.Partials + (2L * block * shape.HeadDim);
            Accumulate(gradients.QueryGain, partial, shape.HeadDim);
            Accumulate(gradients.KeyGain, partial + shape.HeadDim, shape.HeadDim);
        }

        cpu.Scratch.Release(mark);
        if (gradients.Bias.Exists)
        {
            Bias.Backward(device, gradQkv, gradients.Bias, tokens, shape.PackedWidth);
        }
    }

    private static void Accumulate(Elements gradient, float* partial, int count)
    {
        if (gradient.Exists)
        {
            Bias.AddInto(gradient.Floats, partial, count);
        }
    }

    private static void Check(in AttentionShape shape, in QkvWeights weights, int tokens, RopeTable table)
    {
        shape.Validate();
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (shape.HeadDim != table.HeadDim)
        {
            throw new ArgumentException($"qkv epilogue: heads of {shape.HeadDim} elements with a table for {table.HeadDim}");
        }

        if (weights.QueryGain.Exists != weights.KeyGain.Exists)
        {
            throw new ArgumentException("qkv epilogue: queries and keys are normalised together, but one gain is missing");
        }
    }

    private static EpilogueCall Call(
        in AttentionShape shape, Elements rows, in QkvWeights weights, int* positions, int tokens, RopeTable table, Elements normInput,
        float* inverseRms) => new()
        {
            Shape = shape,
            Rows = rows.Floats,
            Weights = new WeightPointers
            {
                Bias = weights.Bias.Floats,
                QueryGain = weights.QueryGain.Floats,
                KeyGain = weights.KeyGain.Floats,
                Epsilon = weights.Epsilon,
            },
            Positions = positions,
            Tokens = tokens,
            Cosines = table.Cosines,
            Sines = table.Sines,
            NormInput = normInput.Floats,
            InverseRms = inverseRms,
        };

    private struct WeightPointers
    {
        public float* Bias;
        public float* QueryGain;
        public float* KeyGain;
        public float Epsilon;
    }

    private struct EpilogueCall
    {
        public AttentionShape Shape;
        public float* Rows;
        public WeightPointers Weights;
        public int* Positions;
        public int Tokens;
        public float* Cosines;
        public float* Sines;
        public float* NormInput;
        public float* InverseRms;
        public float* Partials;
    }
}
