using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearLogProb
{
    /// <summary>Log-probabilities and entropies of 256 tokens at GPT-2's width and a vocabulary of 49,152.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Tokens = 256, Width = 768, Vocabulary = 49_152;
        string shape = $"linear-log-prob {Tokens}x{Width}x{Vocabulary}";
        return
        [
            new BenchCase("loss", shape, "f32", BenchCeiling.FusedMultiplyAdd, 2.0 * Tokens * Width * Vocabulary, arena =>
            {
                float* hidden = RowBench.Filled(arena, (long)Tokens * Width, 1);
                float* head = RowBench.Filled(arena, (long)Vocabulary * Width, 2);
                float* weights = RowBench.Filled(arena, Tokens, 3);
                float* logProb = arena.Floats(Tokens), entropy = arena.Floats(Tokens);
                int* targets = (int*)arena.AllocateZeroed(Tokens * sizeof(int));
                var view = new MatrixView((nint)head, DType.F32, Vocabulary, Width);
                return () => Run(device, hidden, view, targets, weights, 1f, logProb, entropy, Tokens, Width, Vocabulary);
            }),
        ];
    }
}
