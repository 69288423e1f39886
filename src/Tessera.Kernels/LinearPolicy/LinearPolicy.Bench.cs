using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class LinearPolicy
{
    /// <summary>Loss and both gradients of 256 tokens at GPT-2's width and a vocabulary of 49,152.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Tokens = 256, Width = 768, Vocabulary = 49_152;
        string shape = $"linear-policy {Tokens}x{Width}x{Vocabulary}";
        return
        [
            new BenchCase("loss", shape, "f32", BenchCeiling.FusedMultiplyAdd, 6.0 * Tokens * Width * Vocabulary, arena =>
            {
                float* hidden = RowBench.Filled(arena, (long)Tokens * Width, 1);
                float* head = RowBench.Filled(arena, (long)Vocabulary * Width, 2);
                float* gradHidden = arena.Floats((long)Tokens * Width);
                float* gradHead = (float*)arena.AllocateZeroed((long)Vocabulary * Width * sizeof(float));
                var view = new MatrixView((nint)head, DType.F32, Vocabulary, Width);
                var settings = new PolicySettings { KlWeight = 0.001f };
                var tokens = new PolicyTokens
                {
                    Targets = (int*)arena.AllocateZeroed(Tokens * sizeof(int)),
                    Weights = RowBench.Filled(arena, Tokens, 3),
                    Advantages = RowBench.Filled(arena, Tokens, 4),
                    ReferenceLogProb = RowBench.Filled(arena, Tokens, 5),
                };
                var results = new PolicyResults
                {
                    Loss = arena.Floats(Tokens),
                    LogProb = arena.Floats(Tokens),
                    Entropy = arena.Floats(Tokens),
                };
                return () => Run(device, hidden, view, tokens, settings, results, gradHidden, gradHead, Tokens, Width, Vocabulary, 1e-3f);
            }),
        ];
    }
}
