using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class TokenSampling
{
    // Tokens of a part, bins of a digit and the threads of the kernels, as in the device code.
    private const int Part = 4096;
    private const int PartThreads = 256;
    private const int SelectThreads = 1024;
    private const int FinishThreads = 32;
    private const int BinBytes = 2048 * (sizeof(ulong) + sizeof(uint));
    private const int BestBytes = 16;
    private const int RankBytes = 3 * sizeof(uint);
    private const int LargestGridSide = 65_535;

    private static readonly CudaKernel<CudaArguments> MaximumKernel = new("TokenSampling.cu", "sampling_maximum", "LOGITS") { StartsEarly = true };
    private static readonly CudaKernel<CudaArguments> HistogramKernel = new("TokenSelection.cu", "sampling_histogram", "LOGITS") { StartsEarly = true };
    private static readonly CudaKernel<CudaArguments> SelectKernel = new("TokenSelection.cu", "sampling_select", "LOGITS") { StartsEarly = true };
    private static readonly CudaKernel<CudaArguments> DrawKernel = new("TokenSampling.cu", "sampling_draw", "LOGITS") { StartsEarly = true };
    private static readonly CudaKernel<CudaArguments> FinishKernel = new("TokenSampling.cu", "sampling_finish", "LOGITS") { StartsEarly = true };

    private static void DrawCuda(
        CudaDevice cuda, Elements logits, long stride, int rows, int vocabulary, SamplingRow* settings, int* tokens, float* logProbs)
    {
        for (int first = 0; first < rows; first += LargestGridSide)
        {
            int count = Math.Min(LargestGridSide, rows - first);
            DrawRows(
                cuda, logits + (first * stride), stride, count, vocabulary, settings + first, tokens + first,
                logProbs is null ? null : logProbs + first);
        }
    }

    private static void DrawRows(
        CudaDevice cuda, Elements logits, long stride, int rows, int vocabulary, SamplingRow* settings, int* tokens, float* logProbs)
    {
        var mark = cuda.Scratch.Mark();
        int parts = CudaRows.Divide(vocabulary, Part);
        var variant = new KernelVariant(CudaRows.Code(logits));
        var arguments = new CudaArguments
        {
            Logits = logits.Address,
            Settings = settings,
            Tokens = tokens,
            LogProbs = logProbs,
            Maxima = cuda.Scratch.Allocate((long)rows * parts * BestBytes),
            Draws = cuda.Scratch.Allocate((long)rows * parts * BestBytes),
            Sums = cuda.Scratch.Allocate((long)rows * parts * sizeof(double)),
            Bins = cuda.Scratch.Allocate((long)rows * BinBytes),
            Thresholds = cuda.Scratch.Allocate((long)rows * RankBytes),
            Stride = stride,
            Vocabulary = vocabulary,
            Parts = parts,
        };
        var cut = new CudaExtent(parts, rows);
        cuda.Clear(arguments.Bins, (long)rows * BinBytes);
        MaximumKernel.Launch(cuda, variant, cut, PartThreads, 0, arguments);
        HistogramKernel.Launch(cuda, variant, cut, PartThreads, 0, arguments);
        SelectKernel.Launch(cuda, variant, rows, SelectThreads, 0, arguments);
        DrawKernel.Launch(cuda, variant, cut, PartThreads, 0, arguments);
        FinishKernel.Launch(cuda, variant, rows, FinishThreads, 0, arguments);
        cuda.Scratch.Release(mark);
    }

    private struct CudaArguments
    {
        public nint Logits;
        public SamplingRow* Settings;
        public int* Tokens;
        public float* LogProbs;
        public nint Maxima;
        public nint Draws;
        public nint Sums;
        public nint Bins;
        public nint Thresholds;
        public long Stride;
        public int Vocabulary;
        public int Parts;
    }
}
