using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearCrossEntropy
{
    private static readonly CudaKernel<CudaArguments> CudaLoss = new("LinearCrossEntropy.cu", "linear_cross_entropy", "GRADIENT");

    // Which chunks have weight is known on the card alone, so all are computed.
    private static void RunCuda(
        CudaDevice cuda, Elements hidden, in MatrixView head, int* targets, float* tokenWeights, float* tokenLoss,
        Elements gradHidden, Elements gradHead, int tokens, int width, int vocabulary, float gradientScale, long budgetBytes)
    {
        int gradient = CudaLogits.GradientOf(hidden, head, gradHidden, gradHead);
        int chunk = CudaLogits.ChunkTokens(tokens, vocabulary, 1, budgetBytes);
        var mark = cuda.Scratch.Mark();
        var logits = new CudaLogits(cuda, chunk, vocabulary);
        for (int first = 0; first < tokens; first += chunk)
        {
            int count = Math.Min(chunk, tokens - first);
            var rows = hidden + ((long)first * width);
            var input = new MatrixView(rows.Address, rows.Type, count, width);
            logits.Multiply(input, head);
            CudaLoss.Launch(cuda, new KernelVariant(gradient), count, CudaLogits.ThreadsOf(vocabulary), 0, new CudaArguments
            {
                Logits = logits.Address,
                Targets = targets + first,
                Weights = tokenWeights + first,
                Loss = tokenLoss + first,
                Stride = logits.Stride,
                Vocabulary = vocabulary,
                Scale = gradientScale,
            });
            var gradChunk = gradHidden.Exists ? gradHidden + ((long)first * width) : default;
            logits.Gradients(gradient, input, head, gradChunk, false, gradHead);
        }

        cuda.Scratch.Release(mark);
    }

    private struct CudaArguments
    {
        public nint Logits;
        public int* Targets;
        public float* Weights;
        public float* Loss;
        public long Stride;
        public int Vocabulary;
        public float Scale;
    }
}
