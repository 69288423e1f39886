using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>The next token of every sequence of a batch, drawn from its logits.</summary>
/// <remarks>
/// token = argmax_i of z_i / T + g_i with g = −ln(−ln u), an exact draw from softmax(z / T) (Gumbel 1954); at T = 0 argmax_i z_i, the
/// lowest id among equals. Top-k keeps the k likeliest tokens (of equals the lower ids), then top-p the fewest of these whose mass
/// reaches its share of theirs. u is a function of (seed, position, token) alone: u = (w + ½) / 2³² with w the word token mod 4 of
/// block token / 4 of stream position of <see cref="CounterRandom"/>. A draw depends neither on what else is in the batch nor on where.
/// Shapes: logits [rows, stride], of which [rows, vocabulary] counts; settings, tokens, logProbs [rows].
/// Error: logProbs 1e-6 relative. Scores are taken in double; two machines can differ where two tokens tie to 1e-15. On a card
/// masses are whole multiples of 2^−44 of the likeliest token's, and logits count as equal within 2^−27 T of each other until ids do.
/// Determinism: bitwise, independent of thread count and of the other rows.
/// Cost: reads the logits two times, with top-k or top-p about five times.
/// </remarks>
public static unsafe partial class TokenSampling
{
    /// <summary>Draws a token for every row.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="logits">[rows, stride].</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="rows">Sequences.</param>
    /// <param name="vocabulary">Tokens to choose from, the first of every row.</param>
    /// <param name="settings">[rows], in the device's memory.</param>
    /// <param name="tokens">[rows], assigned.</param>
    /// <param name="logProbs">[rows] natural log of the token's probability at temperature 1 and without truncation, assigned; or null.</param>
    /// <exception cref="ArgumentException">Sizes do not fit.</exception>
    public static void Draw(
        Device device, Elements logits, long stride, int rows, int vocabulary, SamplingRow* settings, int* tokens, float* logProbs)
    {
        RowLaunch.CheckSizes(rows, vocabulary);
        if (stride < vocabulary)
        {
            throw new ArgumentException($"sampling: {vocabulary} tokens in rows of {stride} logits");
        }

        if (device is CudaDevice cuda)
        {
            DrawCuda(cuda, logits, stride, rows, vocabulary, settings, tokens, logProbs);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var arguments = new Arguments
        {
            Logits = logits.Floats,
            Settings = settings,
            Tokens = tokens,
            LogProbs = logProbs,
            Stride = stride,
            Rows = rows,
            Vocabulary = vocabulary,
        };
        RowLaunch.Run(scope.Processor, &Body, &arguments, (long)rows * vocabulary);
    }

    private static void Body(void* context, int worker, int workers)
    {
        ref var a = ref *(Arguments*)context;
        var (start, end) = WorkerPool.Share(a.Rows, worker, workers);
        for (int row = start; row < end; row++)
        {
            float* logits = a.Logits + (row * a.Stride);
            a.Tokens[row] = Choose(new ReadOnlySpan<float>(logits, a.Vocabulary), a.Settings[row]);
            if (a.LogProbs is not null)
            {
                a.LogProbs[row] = -LinearCrossEntropy.TokenLoss(logits, a.Vocabulary, a.Tokens[row]);
            }
        }
    }

    private struct Arguments
    {
        public float* Logits;
        public SamplingRow* Settings;
        public int* Tokens;
        public float* LogProbs;
        public long Stride;
        public int Rows;
        public int Vocabulary;
    }
}
