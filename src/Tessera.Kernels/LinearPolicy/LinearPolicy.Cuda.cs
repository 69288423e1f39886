using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class LinearPolicy
{
    private static readonly CudaKernel<CudaArguments> CudaLoss = new("LinearPolicy.cu", "linear_policy", "GRADIENT", "ENTROPY");

    private static void RunCuda(
        CudaDevice cuda, Elements hidden, in MatrixView head, in PolicyTokens tokens, PolicySettings settings, in PolicyResults results,
        Elements gradHidden, Elements gradHead, int count, int width, int vocabulary, float gradientScale, long budgetBytes)
    {
        int gradient = CudaLogits.GradientOf(hidden, head, gradHidden, gradHead);
        int chunk = CudaLogits.ChunkTokens(count, vocabulary, 1, budgetBytes);
        var mark = cuda.Scratch.Mark();
        var logits = new CudaLogits(cuda, chunk, vocabulary);
        for (int first = 0; first < count; first += chunk)
        {
            int part = Math.Min(chunk, count - first);
            var rows = hidden + ((long)first * width);
            var input = new MatrixView(rows.Address, rows.Type, part, width);
            logits.Multiply(input, head);
            var arguments = ArgumentsOf(tokens.From(first), settings, results.From(first));
            arguments.Logits = logits.Address;
            arguments.Stride = logits.Stride;
            arguments.Vocabulary = vocabulary;
            arguments.Scale = gradientScale;
            CudaLoss.Launch(
                cuda, new KernelVariant(gradient, results.Entropy is null ? 0 : 1), part, CudaLogits.ThreadsOf(vocabulary), 0, arguments);
            var gradChunk = gradHidden.Exists ? gradHidden + ((long)first * width) : default;
            logits.Gradients(gradient, input, head, gradChunk, false, gradHead);
        }

        cuda.Scratch.Release(mark);
    }

    private static CudaArguments ArgumentsOf(in PolicyTokens tokens, PolicySettings settings, in PolicyResults results) => new()
    {
        Targets = tokens.Targets,
        Weights = tokens.Weights,
        Advantages = tokens.Advantages,
        OldLogProb = tokens.OldLogProb,
        ReferenceLogProb = tokens.ReferenceLogProb,
        Correction = tokens.Correction,
        Loss = results.Loss,
        LogProb = results.LogProb,
        Entropy = results.Entropy,
        Kl = results.Kl,
        Clip = results.Clip,
        ClipLow = 1.0 - settings.ClipLow,
        ClipHigh = 1.0 + settings.ClipHigh,
        DualClip = settings.DualClip,
        KlWeight = settings.KlWeight,
        LargestDifference = PolicySettings.LargestDifference,
        LargestKl = PolicySettings.LargestKl,
        OnPolicyKl = settings.KlGradient == KlGradient.OnPolicy ? 1 : 0,
        Factor = 1f / settings.Temperature,
    };

    private struct CudaArguments
    {
        public nint Logits;
        public int* Targets;
        public float* Weights;
        public float* Advantages;
        public float* OldLogProb;
        public float* ReferenceLogProb;
        public float* Correction;
        public float* Loss;
        public float* LogProb;
        public float* Entropy;
        public float* Kl;
        public PolicyClip* Clip;
        public long Stride;
        public double ClipLow;
        public double ClipHigh;
        public double DualClip;
        public double KlWeight;
        public double LargestDifference;
        public double LargestKl;
        public int Vocabulary;
        public int OnPolicyKl;
        public float Factor;
        public float Scale;
    }
}
