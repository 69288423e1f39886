using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class TokenSampling
{
    /// <summary>Draws from whole distributions and from the likeliest tokens: noise for every token, not memory, sets the time.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Rows = 8, Vocabulary = 32_000;
        (string Name, float TopP, int TopK)[] kinds = [("all", 1f, 0), ("top-p", 0.95f, 0), ("top-k", 1f, 40)];
        return kinds.Select(kind => new BenchCase(
            "draw", $"token-sampling-{kind.Name} {Rows}x{Vocabulary}", "f32", BenchCeiling.None, 0, arena =>
            {
                float* logits = RowBench.Filled(arena, (long)Rows * Vocabulary, 1);
                var settings = (SamplingRow*)arena.Allocate(Rows * sizeof(SamplingRow));
                int* tokens = (int*)arena.Allocate(Rows * sizeof(int));
                float* logProbs = arena.Floats(Rows);
                for (int i = 0; i < Rows; i++)
                {
                    settings[i] = new SamplingRow((ulong)i, 1f, kind.TopP, kind.TopK, i);
                }

                return () => Draw(device, logits, Vocabulary, Rows, Vocabulary, settings, tokens, logProbs);
            }));
    }
}
