using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class TokenSampling
{
    /// <summary>Draws from whole distributions and from the likeliest tokens: noise for every token, not memory, sets the time.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (rows, vocabulary) = target.Pick((2, 1000), (8, 32_000), (64, 128_256));
        (string Name, float TopP, int TopK)[] kinds = [("all", 1f, 0), ("top-p", 0.95f, 0), ("top-k", 1f, 40)];
        return kinds.Select(kind => new BenchCase(
            "draw", $"token-sampling-{kind.Name} {rows}x{vocabulary}", "f32", BenchCeiling.None, 0, arena =>
            {
                float* logits = BenchInputs.Floats(arena, (long)rows * vocabulary, 1);
                var settings = (SamplingRow*)BenchInputs.Of<SamplingRow>(
                    arena, [.. Enumerable.Range(0, rows).Select(i => new SamplingRow((ulong)i, 1f, kind.TopP, kind.TopK, i))]);
                int* tokens = (int*)arena.Allocate(rows * sizeof(int));
                float* logProbs = arena.Floats(rows);
                return () => Draw(target.Device, logits, vocabulary, rows, vocabulary, settings, tokens, logProbs);
            }));
    }
}
