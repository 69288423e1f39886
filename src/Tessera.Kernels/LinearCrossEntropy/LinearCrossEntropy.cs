using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>The head's product and the cross entropy in one operation that never holds the logits of the whole batch.</summary>
/// <remarks>
/// z = hidden·headᵀ; lse_t = log Σ_v e^z[t,v]; loss_t = lse_t − z[t,y_t];
/// dz[t,v] = gradientScale·w_t·(e^(z[t,v] − lse_t) − [v = y_t]); gradHidden = dz·head; gradHead += dzᵀ·hidden.
/// Shapes: hidden, gradHidden [tokens, width] f32; head [vocabulary, width] f32 or bf16, without gradients also int8 or int4; gradHead [vocabulary, width] f32, dense;
/// targets, tokenWeights, tokenLoss [tokens].
/// Types on a card: hidden, head and both gradients f32 or bf16 each; logits f32; dz bf16 where hidden and head are, else f32. A bf16
/// gradHead is rounded once a chunk.
/// Saved for backward: nothing; gradients are made in the same pass.
/// Error: relative L2 to the reference at most 2e-6 for losses and gradients on bounded logits; on a card, given the logits, the
/// same for losses, and one rounding more for gradients where dz is bf16.
/// Determinism: bitwise, independent of thread count; chunks of tokens are cut from token 0 by vocabulary and budget alone. On a card
/// the bits of a token's logits may depend on the number of tokens in its chunk; operations on a head cut the same chunks.
/// Special values: on the processor a target outside the vocabulary is refused; a card cannot look and makes the token's loss NaN,
/// with no gradient.
/// Cost: 2·tokens·width·vocabulary FLOP for each of the logits and the two gradients; chunks without weight cost nothing.
/// </remarks>
public static unsafe partial class LinearCrossEntropy
{
    /// <summary>
    /// Bytes that the logits of one chunk take at most, unless 64 tokens need more. Every chunk reads the head twice and its
    /// gradient once, so a chunk needs some 256 tokens before the arithmetic outweighs that.
    /// </summary>
    public const long LogitsBudgetBytes = 128L << 20;

    /// <summary>
    /// As the other, on a card: 1,024 tokens of 128k entries. Every chunk also reads and writes the head's gradient, which outweighs
    /// the arithmetic of fewer.
    /// </summary>
    public const long CudaLogitsBudgetBytes = 512L << 20;

    /// <summary>Tokens whose logits exist at once: a multiple of 64, at least 64, within the budget where that is possible.</summary>
    /// <param name="vocabulary">Rows of the head.</param>
    /// <param name="buffers">Logits buffers that share the budget: 1, or 2 with a teacher.</param>
    /// <param name="budgetBytes">Bytes for the logits.</param>
    public static int ChunkTokens(int vocabulary, int buffers = 1, long budgetBytes = LogitsBudgetBytes)
    {
        long fitting = budgetBytes / (sizeof(float) * (long)vocabulary * buffers);
        return (int)Math.Clamp(fitting / RowLaunch.BlockTokens, 1, int.MaxValue / RowLaunch.BlockTokens) * RowLaunch.BlockTokens;
    }

    /// <summary>Losses per token and, where asked for, the gradients of the weighted sum of losses.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="hidden">[tokens, width], the normalised output of the last layer.</param>
    /// <param name="head">[vocabulary, width], f32 or bf16; without gradHidden also int8 or int4.</param>
    /// <param name="targets">[tokens]; read only where the weight is not 0.</param>
    /// <param name="tokenWeights">[tokens], weight over normaliser; 0 leaves a token out.</param>
    /// <param name="tokenLoss">[tokens], assigned: negative log-likelihood in nats, unweighted, 0 where the weight is 0.</param>
    /// <param name="gradHidden">[tokens, width], assigned, or null.</param>
    /// <param name="gradHead">[vocabulary, width], accumulated, or null.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Hidden width.</param>
    /// <param name="vocabulary">Entries of the vocabulary.</param>
    /// <param name="gradientScale">Multiplies every gradient.</param>
    /// <param name="budgetBytes">Bytes for logits, or null for the device's own; the bits of <paramref name="gradHead"/> depend on it.</param>
    /// <exception cref="ArgumentException">A target with weight is outside the vocabulary, or the head is too small.</exception>
    public static void Run(
        Device device, Elements hidden, in MatrixView head, int* targets, float* tokenWeights, float* tokenLoss, Elements gradHidden,
        Elements gradHead, int tokens, int width, int vocabulary, float gradientScale,
        long? budgetBytes = null)
    {
        RowLaunch.CheckSizes(tokens, width);
        CheckHead(head, nameof(head), vocabulary, width);
        if (device is CudaDevice cuda)
        {
            RunCuda(
                cuda, hidden, head, targets, tokenWeights, tokenLoss, gradHidden, gradHead, tokens, width, vocabulary, gradientScale,
                budgetBytes ?? CudaLogitsBudgetBytes);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        CheckTargets(cpu, targets, tokenWeights, tokens, vocabulary);
        int chunk = Math.Min(ChunkTokens(vocabulary, 1, budgetBytes ?? LogitsBudgetBytes), tokens);
        var mark = cpu.Scratch.Mark();
        float* logits = cpu.Scratch.Floats((long)chunk * vocabulary);
        for (int first = 0; first < tokens; first += chunk)
        {
            int count = Math.Min(chunk, tokens - first);
            var gradChunk = gradHidden + ((long)first * width);
            if (!HasWeight(cpu, tokenWeights + first, count))
            {
                SkipChunk(tokenLoss + first, count, gradChunk, (long)count * width);
                continue;
            }

            var input = MatrixView.Of(hidden + ((long)first * width), count, width);
            Logits(device, input, head, logits, vocabulary);
            var arguments = new Arguments
            {
                Logits = logits,
                Targets = targets + first,
                Weights = tokenWeights + first,
                Loss = tokenLoss + first,
                Tokens = count,
                Vocabulary = vocabulary,
                Scale = gradientScale,
                WithGradient = gradHidden.Exists || gradHead.Exists,
            };
            RowLaunch.Run(cpu, &Body, &arguments, (long)count * vocabulary);
            Gradients(device, logits, input, head, gradChunk, false, gradHead, vocabulary);
        }

        cpu.Scratch.Release(mark);
    }

    /// <summary>logits = input·headᵀ for a head of any storage, with the bits that a token has in every chunk.</summary>
    internal static void Logits(Device device, in MatrixView input, in MatrixView head, float* logits, int vocabulary) =>
        Linear.Forward(
            device, input.Elements, input.Stride, head with { Rows = vocabulary }, logits, vocabulary, input.Rows, accumulate: false,
            invariant: true);

    /// <summary>The two products behind the gradient of a chunk's logits.</summary>
    internal static void Gradients(
        Device device, float* gradLogits, in MatrixView input, in MatrixView head, Elements gradHidden, bool accumulateGradHidden,
        Elements gradHead, int vocabulary)
    {
        int count = input.Rows, width = input.Columns;
        var gradient = new MatrixView((nint)gradLogits, DType.F32, count, vocabulary);
        if (gradHidden.Exists)
        {
            Gemm.Multiply(device, gradient, false, head, false, gradHidden, width, count, width, vocabulary, accumulateGradHidden);
        }

        if (gradHead.Exists)
        {
            Gemm.Multiply(device, gradient, true, input, false, gradHead, width, vocabulary, width, count, true);
        }
    }

    /// <summary>−log softmax(logits)[target] of one row, with the bits of the token's loss in <see cref="Run"/>.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="vocabulary">Entries.</param>
    /// <param name="target">The entry, below <paramref name="vocabulary"/>.</param>
    public static float TokenLoss(float* logits, int vocabulary, int target)
    {
        float max = Max(logits, vocabulary);
        return NegativeLogLikelihood(SumExponentials(logits, vocabulary, max, 1f, false), max, logits[target], 1f);
    }

    /// <summary>Whether any of the weights is not 0; a plan counts on it.</summary>
    internal static bool HasWeight(CpuDevice cpu, float* weights, int count) =>
        cpu.IsPlanning || new ReadOnlySpan<float>(weights, count).ContainsAnyExcept(0f);

    /// <summary>The results of a chunk whose tokens are all left out.</summary>
    internal static void SkipChunk(float* tokenLoss, int count, Elements gradHidden, long elements)
    {
        new Span<float>(tokenLoss, count).Clear();
        if (gradHidden.Exists)
        {
            System.Runtime.InteropServices.NativeMemory.Clear(gradHidden.Floats, (nuint)elements * sizeof(float));
        }
    }

    /// <summary>Fails unless the head has a row for every entry of the vocabulary and the hidden width.</summary>
    internal static void CheckHead(in MatrixView head, string name, int vocabulary, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        if (head.Rows < vocabulary || head.Columns != width)
        {
            throw new ArgumentException(
                $"{name} is [{head.Rows}, {head.Columns}]; expected [{vocabulary}, {width}] (vocabulary, hidden width)", name);
        }
    }

    /// <summary>
    /// Fails unless every target with weight is an entry of the vocabulary: for callers, who see them before they go to a device
    /// that could not say so.
    /// </summary>
    /// <exception cref="ArgumentException">One is not.</exception>
    public static void CheckTargets(ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, int vocabulary)
    {
        for (int t = 0; t < targets.Length; t++)
        {
            if (weights[t] != 0 && (uint)targets[t] >= (uint)vocabulary)
            {
                throw new ArgumentException(
                    $"token {t} has target {targets[t]}, which is outside the vocabulary of {vocabulary} entries", nameof(targets));
            }
        }
    }

    internal static void CheckTargets(CpuDevice cpu, int* targets, float* weights, int tokens, int vocabulary)
    {
        if (!cpu.IsPlanning)
        {
            CheckTargets(new ReadOnlySpan<int>(targets, tokens), new ReadOnlySpan<float>(weights, tokens), vocabulary);
        }
    }

    private struct Arguments
    {
        public float* Logits;
        public int* Targets;
        public float* Weights;
        public float* Loss;
        public int Tokens;
        public int Vocabulary;
        public float Scale;
        public bool WithGradient;
    }
}
