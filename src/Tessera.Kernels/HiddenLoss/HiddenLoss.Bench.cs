using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class HiddenLoss
{
    /// <summary>Both losses with their gradients, out of cache.</summary>
    /// <remarks>
    /// Bytes an element: cosine 16 (student, teacher, gradient read and written; a row's second pass finds it in the caches);
    /// normalised mean square 20 (student and teacher twice, because the gradient needs the whole sum first; the gradient written).
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Width = RowBench.Width, Tokens = RowBench.Tokens;
        const double Element = (double)RowBench.Elements * sizeof(float);
        string sizes = $"{Tokens}x{Width}";
        return
        [
            RowBench.Copy($"hidden-cosine {sizes}", 4 * Element, arena =>
            {
                var b = new BenchBuffers(arena);
                float* weights = RowBench.Filled(arena, Tokens, 4);
                float* loss = RowBench.Filled(arena, Tokens, 5);
                return () => Cosine(device, b.Student, b.Teacher, weights, loss, b.Gradient, Tokens, Width, 1e-6f);
            }),
            RowBench.Copy($"hidden-normalised-mse {sizes}", 5 * Element, arena =>
            {
                var b = new BenchBuffers(arena);
                return () => NormalisedMse(device, b.Student, b.Teacher, b.Gradient, Tokens, Width, 1f);
            }),
        ];
    }

    private sealed class BenchBuffers(Arena arena)
    {
        public float* Student { get; } = RowBench.Filled(arena, RowBench.Elements, 1);

        public float* Teacher { get; } = RowBench.Filled(arena, RowBench.Elements, 2);

        public float* Gradient { get; } = RowBench.Filled(arena, RowBench.Elements, 3);
    }
}
