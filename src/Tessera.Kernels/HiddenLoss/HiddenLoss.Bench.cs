using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class HiddenLoss
{
    /// <summary>Both losses with their gradients, out of cache.</summary>
    /// <remarks>
    /// Moved for an element, in elements: cosine 4 (student, teacher, gradient read and written; a row's second pass finds it in the caches);
    /// normalised mean square 5 (student and teacher twice, because the gradient needs the whole sum first; the gradient written).
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (device, type, tokens, width) = (target.Device, target.Type, target.Tokens, target.Width);
        double tensor = (double)target.Elements * type.Bytes();
        string sizes = $"{tokens}x{width}";
        return
        [
            RowBench.Copy(type, $"hidden-cosine {sizes}", 4 * tensor, arena =>
            {
                var b = new BenchBuffers(arena, type, target.Elements);
                float* weights = BenchInputs.Floats(arena, tokens, 4);
                float* loss = BenchInputs.Floats(arena, tokens, 5);
                return () => Cosine(device, b.Student, b.Teacher, weights, loss, b.Gradient, tokens, width, 1e-6f);
            }),
            RowBench.Copy(type, $"hidden-normalised-mse {sizes}", 5 * tensor, arena =>
            {
                var b = new BenchBuffers(arena, type, target.Elements);
                double* loss = (double*)arena.Allocate(sizeof(double));
                return () => NormalisedMse(device, b.Student, b.Teacher, b.Gradient, tokens, width, 1f, loss);
            }),
        ];
    }

    private sealed class BenchBuffers(Arena arena, DType type, long count)
    {
        public Elements Student { get; } = BenchInputs.Filled(arena, count, type, 1);

        public Elements Teacher { get; } = BenchInputs.Filled(arena, count, type, 2);

        public Elements Gradient { get; } = BenchInputs.Filled(arena, count, type, 3);
    }
}
