using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// Log-probability of a given token and entropy of the next-token distribution, the head's product included, without ever
/// holding the logits of the whole batch. No gradient.
/// </summary>
/// <remarks>
/// z = hidden·headᵀ; logProb_t = log softmax(z_t / τ)[y_t]; entropy_t = −Σ_v p·log p with p = softmax(z_t / τ).
/// With m = max z and x = (z − m)/τ: entropy = log Σ e^x − Σ x·e^x / Σ e^x, a sum of terms that are not negative.
/// Shapes: hidden [tokens, width] f32; head [vocabulary, width] f32, bf16, int8 or int4; targets, tokenWeights, logProb, entropy [tokens].
/// Types and special values on a card: as <see cref="LinearCrossEntropy"/>.
/// Error: relative L2 to the reference at most 2e-6 for log-probabilities and 5e-6 for entropies on bounded logits.
/// Determinism: bitwise, independent of thread count. With τ = 1, logProb has the bits of the negated loss of
/// <see cref="LinearCrossEntropy"/> on the same arguments, and for every τ those of <see cref="LinearPolicy"/>.
/// Cost: 2·tokens·width·vocabulary FLOP; chunks without weight cost nothing.
/// </remarks>
public static unsafe partial class LinearLogProb
{
    /// <summary>Log-probabilities and, where asked for, entropies.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="hidden">[tokens, width], the normalised output of the last layer.</param>
    /// <param name="head">[vocabulary, width], f32, bf16, int8 or int4.</param>
    /// <param name="targets">[tokens]; read only where the weight is not 0.</param>
    /// <param name="tokenWeights">[tokens]; 0 leaves a token out, other values do not matter.</param>
    /// <param name="temperature">τ, above 0.</param>
    /// <param name="logProb">[tokens], assigned: nats, 0 where the weight is 0.</param>
    /// <param name="entropy">[tokens], assigned: nats, 0 where the weight is 0; or null.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Hidden width.</param>
    /// <param name="vocabulary">Entries of the vocabulary.</param>
    /// <param name="budgetBytes">Bytes for logits, or null for the device's own.</param>
    /// <exception cref="ArgumentException">A target is outside the vocabulary, the head is too small, or τ is not positive.</exception>
    public static void Run(
        Device device, Elements hidden, in MatrixView head, int* targets, float* tokenWeights, float temperature, float* logProb,
        float* entropy, int tokens, int width, int vocabulary, long? budgetBytes = null)
    {
        RowLaunch.CheckSizes(tokens, width);
        LinearCrossEntropy.CheckHead(head, nameof(head), vocabulary, width);
        CheckTemperature(temperature);
        if (device is CudaDevice cuda)
        {
            RunCuda(
                cuda, hidden, head, targets, tokenWeights, temperature, logProb, entropy, tokens, width, vocabulary,
                budgetBytes ?? LinearCrossEntropy.CudaLogitsBudgetBytes);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        LinearCrossEntropy.CheckTargets(cpu, targets, tokenWeights, tokens, vocabulary);
        int chunk = Math.Min(
            LinearCrossEntropy.ChunkTokens(vocabulary, 1, budgetBytes ?? LinearCrossEntropy.LogitsBudgetBytes), tokens);
        var mark = cpu.Scratch.Mark();
        float* logits = cpu.Scratch.Floats((long)chunk * vocabulary);
        for (int first = 0; first < tokens; first += chunk)
        {
            int count = Math.Min(chunk, tokens - first);
            float* entropyChunk = entropy is null ? null : entropy + first;
            if (!LinearCrossEntropy.HasWeight(cpu, tokenWeights + first, count))
            {
                LinearCrossEntropy.SkipChunk(logProb + first, count, entropyChunk, count);
                continue;
            }

            var input = MatrixView.Of(hidden + ((long)first * width), count, width);
            LinearCrossEntropy.Logits(device, input, head, logits, vocabulary);
            var arguments = new Arguments
            {
                Logits = logits,
                Targets = targets + first,
                Weights = tokenWeights + first,
                LogProb = logProb + first,
                Entropy = entropyChunk,
                Tokens = count,
                Vocabulary = vocabulary,
                Factor = 1f / temperature,
            };
            RowLaunch.Run(cpu, &Body, &arguments, (long)count * vocabulary);
        }

        cpu.Scratch.Release(mark);
    }

    /// <summary>Fails unless a temperature is a positive number.</summary>
    internal static void CheckTemperature(float temperature)
    {
        if (!(temperature > 0) || !float.IsFinite(temperature))
        {
            throw new ArgumentException($"the temperature is {temperature}; expected a positive number", nameof(temperature));
        }
    }

    private struct Arguments
    {
        public float* Logits;
        public int* Targets;
        public float* Weights;
        public float* LogProb;
        public float* Entropy;
        public int Tokens;
        public int Vocabulary;
        public float Factor;
    }
}
