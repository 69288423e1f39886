using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearCrossEntropy
{
    /// <summary>Loss and both gradients of 256 tokens at GPT-2's width and a vocabulary of 49,152.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Tokens = 256, Width = 768, Vocabulary = 49_152;
        string shape = $"linear-cross-entropy {Tokens}x{Width}x{Vocabulary}";
        return
        [
            new BenchCase("loss", shape, "f32", BenchCeiling.FusedMultiplyAdd, 6.0 * Tokens * Width * Vocabulary, arena =>
            {
                float* hidden = RowBench.Filled(arena, (long)Tokens * Width, 1);
                float* head = RowBench.Filled(arena, (long)Vocabulary * Width, 2);
                float* gradHidden = arena.Floats((long)Tokens * Width);
                float* gradHead = (float*)arena.AllocateZeroed((long)Vocabulary * Width * sizeof(float));
                float* weights = RowBench.Filled(arena, Tokens, 3);
                float* loss = arena.Floats(Tokens);
                int* targets = (int*)arena.AllocateZeroed(Tokens * sizeof(int));
                var view = new MatrixView((nint)head, DType.F32, Vocabulary, Width);
                return () => Run(device, hidden, view, targets, weights, loss, gradHidden, gradHead, Tokens, Width, Vocabulary, 1e-3f);
            }),
        ];
    }
}
