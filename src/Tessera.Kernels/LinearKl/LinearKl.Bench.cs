using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearKl
{
    /// <summary>Loss and both gradients of 256 tokens at a width of 768 and a vocabulary of 49,152.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Tokens = 256, Width = 768, Vocabulary = 49_152;
        string shape = $"linear-kl {Tokens}x{Width}x{Vocabulary}";
        return
        [
            new BenchCase("loss", shape, "f32", BenchCeiling.FusedMultiplyAdd, 8.0 * Tokens * Width * Vocabulary, arena =>
            {
                float* student = RowBench.Filled(arena, (long)Tokens * Width, 1);
                float* teacher = RowBench.Filled(arena, (long)Tokens * Width, 2);
                float* head = RowBench.Filled(arena, (long)Vocabulary * Width, 3);
                float* gradHidden = arena.Floats((long)Tokens * Width);
                float* gradHead = (float*)arena.AllocateZeroed((long)Vocabulary * Width * sizeof(float));
                float* weights = RowBench.Filled(arena, Tokens, 4);
                float* loss = arena.Floats(Tokens);
                var view = new MatrixView((nint)head, DType.F32, Vocabulary, Width);
                return () => Run(
                        device, student, view, teacher, view, weights, 1f, loss, gradHidden, false, gradHead, Tokens, Width, Width,
                        Vocabulary, 1e-3f);
            }),
        ];
    }
}
