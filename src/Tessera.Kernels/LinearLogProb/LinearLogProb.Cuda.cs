using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearLogProb
{
    private static readonly CudaKernel<CudaArguments> CudaLogProb = new("LinearLogProb.cu", "linear_log_prob", "ENTROPY");

    private static void RunCuda(
        CudaDevice cuda, Elements hidden, in MatrixView head, int* targets, float* tokenWeights, float temperature, float* logProb,
        float* entropy, int tokens, int width, int vocabulary, long budgetBytes)
    {
        int chunk = CudaLogits.ChunkTokens(tokens, vocabulary, 1, budgetBytes);
        var mark = cuda.Scratch.Mark();
        var logits = new CudaLogits(cuda, chunk, vocabulary);
        for (int first = 0; first < tokens; first += chunk)
        {
            int count = Math.Min(chunk, tokens - first);
            var rows = hidden + ((long)first * width);
            logits.Multiply(new MatrixView(rows.Address, rows.Type, count, width), head);
            CudaLogProb.Launch(
                cuda, new KernelVariant(entropy is null ? 0 : 1), count, CudaLogits.ThreadsOf(vocabulary), 0, new CudaArguments
                {
                    Logits = logits.Address,
                    Targets = targets + first,
                    Weights = tokenWeights + first,
                    LogProb = logProb + first,
                    Entropy = entropy is null ? null : entropy + first,
                    Stride = logits.Stride,
                    Vocabulary = vocabulary,
                    Factor = 1f / temperature,
                });
        }

        cuda.Scratch.Release(mark);
    }

    private struct CudaArguments
    {
        public nint Logits;
        public int* Targets;
        public float* Weights;
        public float* LogProb;
        public float* Entropy;
        public long Stride;
        public int Vocabulary;
        public float Factor;
    }
}
