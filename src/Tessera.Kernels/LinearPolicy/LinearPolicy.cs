using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// The clipped policy loss of PPO and GRPO with its gradients, the head's product included, without ever holding the logits of
/// the whole batch.
/// </summary>
/// <remarks>
/// z = hidden·headᵀ; logπ_t = log softmax(z_t / τ)[y_t]; r = e^(logπ − logπ_old); S = min(r·A, clip(r, 1 − ε_low, 1 + ε_high)·A),
/// and where A &lt; 0 and c &gt; 0: S = max(S, c·A). Δ = logπ_ref − logπ within ±20; k3 = e^Δ − 1 − Δ, at most 10.
/// loss_t = −ρ·S + β·k3. dloss/dlogπ = −ρ·A·r where no clip holds and 0 where one does, plus β·(1 − e^Δ) (0 where a bound holds),
/// plus β·k3 with <see cref="KlGradient.OnPolicy"/>.
/// dz[t,v] = gradientScale·w_t·(dloss/dlogπ)·([v = y_t] − p[t,v]) / τ; gradHidden = dz·head; gradHead += dzᵀ·hidden.
/// Shapes: hidden, gradHidden [tokens, width] f32; head [vocabulary, width] f32 or bf16; gradHead [vocabulary, width] f32, dense.
/// Types: logits f32, everything about a token's ratio double. A ratio beyond f32 gives a gradient that is not finite, not a hidden bound.
/// Types and special values on a card: as <see cref="LinearCrossEntropy"/>.
/// Saved for backward: nothing; gradients are made in the same pass.
/// Error: relative L2 to the reference at most 5e-6 for losses and gradients on bounded logits, away from the corners of the clips.
/// Determinism: bitwise, independent of thread count. logπ has the bits of <see cref="LinearLogProb"/>, so a policy that has not
/// been updated has a ratio of exactly 1.
/// Cost: 2·tokens·width·vocabulary FLOP for each of the logits and the two gradients; chunks without weight cost nothing.
/// Source: Schulman et al. 2017; Shao et al. 2024 for k3; Ye et al. 2020 for the dual clip; bounds as in NeMo-RL.
/// </remarks>
public static unsafe partial class LinearPolicy
{
    /// <summary>Losses per token and, where asked for, the gradients of the weighted sum of losses.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="hidden">[tokens, width], the normalised output of the last layer.</param>
    /// <param name="head">[vocabulary, width], f32 or bf16.</param>
    /// <param name="tokens">Inputs per token.</param>
    /// <param name="settings">Clips, KL term, temperature.</param>
    /// <param name="results">Outputs per token.</param>
    /// <param name="gradHidden">[count, width], assigned, or null.</param>
    /// <param name="gradHead">[vocabulary, width], accumulated, or null.</param>
    /// <param name="count">Rows.</param>
    /// <param name="width">Hidden width.</param>
    /// <param name="vocabulary">Entries of the vocabulary.</param>
    /// <param name="gradientScale">Multiplies every gradient: 1 / normaliser.</param>
    /// <param name="budgetBytes">Bytes for logits, or null for the device's own; the bits of <paramref name="gradHead"/> depend on it.</param>
    /// <exception cref="ArgumentException">
    /// A target with weight is outside the vocabulary, the head is too small, a setting makes no sense, or β has no reference.
    /// </exception>
    public static void Run(
        Device device, Elements hidden, in MatrixView head, in PolicyTokens tokens, PolicySettings settings, in PolicyResults results,
        Elements gradHidden, Elements gradHead, int count, int width, int vocabulary, float gradientScale,
        long? budgetBytes = null)
    {
        RowLaunch.CheckSizes(count, width);
        LinearCrossEntropy.CheckHead(head, nameof(head), vocabulary, width);
        settings.Validate();
        if (settings.KlWeight > 0 && tokens.ReferenceLogProb is null)
        {
            throw new ArgumentException(
                $"the KL term has weight {settings.KlWeight} and there are no log-probabilities of a reference", nameof(tokens));
        }

        if (device is CudaDevice cuda)
        {
            RunCuda(
                cuda, hidden, head, tokens, settings, results, gradHidden, gradHead, count, width, vocabulary, gradientScale,
                budgetBytes ?? LinearCrossEntropy.CudaLogitsBudgetBytes);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        LinearCrossEntropy.CheckTargets(cpu, tokens.Targets, tokens.Weights, count, vocabulary);
        int chunk = Math.Min(
            LinearCrossEntropy.ChunkTokens(vocabulary, 1, budgetBytes ?? LinearCrossEntropy.LogitsBudgetBytes), count);
        var mark = cpu.Scratch.Mark();
        float* logits = cpu.Scratch.Floats((long)chunk * vocabulary);
        for (int first = 0; first < count; first += chunk)
        {
            int rows = Math.Min(chunk, count - first);
            var gradChunk = gradHidden + ((long)first * width);
            var chunkResults = results.From(first);
            if (!LinearCrossEntropy.HasWeight(cpu, tokens.Weights + first, rows))
            {
                Skip(chunkResults, gradChunk, rows, width);
                continue;
            }

            var input = MatrixView.Of(hidden + ((long)first * width), rows, width);
            LinearCrossEntropy.Logits(device, input, head, logits, vocabulary);
            var arguments = new Arguments
            {
                Logits = logits,
                Tokens = tokens.From(first),
                Results = chunkResults,
                Terms = new PolicyTerms(settings),
                Count = rows,
                Vocabulary = vocabulary,
                Factor = 1f / settings.Temperature,
                Scale = gradientScale,
                WithGradient = gradHidden.Exists || gradHead.Exists,
            };
            RowLaunch.Run(cpu, &Body, &arguments, (long)rows * vocabulary);
            LinearCrossEntropy.Gradients(device, logits, input, head, gradChunk, false, gradHead, vocabulary);
        }

        cpu.Scratch.Release(mark);
    }

    private static void Skip(in PolicyResults results, Elements gradHidden, int rows, int width)
    {
        for (int t = 0; t < rows; t++)
        {
            results.Clear(t);
        }

        if (gradHidden.Exists)
        {
            System.Runtime.InteropServices.NativeMemory.Clear(gradHidden.Floats, (nuint)((long)rows * width * sizeof(float)));
        }
    }

    private struct Arguments
    {
        public float* Logits;
        public PolicyTokens Tokens;
        public PolicyResults Results;
        public PolicyTerms Terms;
        public int Count;
        public int Vocabulary;
        public float Factor;
        public float Scale;
        public bool WithGradient;
    }
}
