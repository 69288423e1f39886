using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class HiddenLoss
{
    /// <summary>Both losses with their gradients at a width of 2,048, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("hidden loss bench");
        foreach (BenchCase benchCase in MakeBenchCases(device, arena))
        {
            yield return benchCase;
        }
    }

    private static BenchCase[] MakeBenchCases(Device device, Arena arena)
    {
        const int Width = 2048, Tokens = RowBench.Elements / Width;
        const double Element = (double)RowBench.Elements * sizeof(float);
        float* student = RowBench.Filled(arena, RowBench.Elements, 1);
        float* teacher = RowBench.Filled(arena, RowBench.Elements, 2);
        float* gradient = RowBench.Filled(arena, RowBench.Elements, 3);
        float* weights = RowBench.Filled(arena, Tokens, 4);
        float* loss = RowBench.Filled(arena, Tokens, 5);
        string shape = $"{Tokens}x{Width}";
        return
        [
            new("hidden-loss.cosine", shape, "f32", BenchCeiling.StreamCopy, 4 * Element,
                () => Cosine(device, student, teacher, weights, loss, gradient, Tokens, Width, 1e-6f)),
            new("hidden-loss.normalised-mse", shape, "f32", BenchCeiling.StreamCopy, 5 * Element,
                () => NormalisedMse(device, student, teacher, gradient, Tokens, Width, 1f)),
        ];
    }
}
