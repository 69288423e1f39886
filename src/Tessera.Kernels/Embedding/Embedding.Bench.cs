using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Embedding
{
    /// <summary>Look-up and scatter of 8,192 tokens at a width of 2,048 in a vocabulary of 16,384.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("embedding bench");
        foreach (BenchCase benchCase in MakeBenchCases(device, arena))
        {
            yield return benchCase;
        }
    }

    private static BenchCase[] MakeBenchCases(Device device, Arena arena)
    {
        const int Width = 2048, Tokens = RowBench.Elements / Width, Vocabulary = 2 * Tokens;
        const double Element = (double)RowBench.Elements * sizeof(float);
        float* table = RowBench.Filled(arena, (long)Vocabulary * Width, 1);
        float* output = RowBench.Filled(arena, RowBench.Elements, 2);
        int* ids = (int*)arena.Allocate(Tokens * sizeof(int));
        var random = new CounterRandom(3);
        for (int t = 0; t < Tokens; t++)
        {
            ids[t] = random.Next(Vocabulary);
        }

        var view = new MatrixView((nint)table, DType.F32, Vocabulary, Width);
        string shape = $"{Tokens}x{Width} of {Vocabulary}";
        return
        [
            new("embedding.forward", shape, "f32", BenchCeiling.StreamCopy, 2 * Element,
                () => Forward(device, ids, view, output, Tokens)),
            new("embedding.backward", shape, "f32", BenchCeiling.StreamCopy, 3 * Element,
                () => Backward(device, ids, output, table, Tokens, Vocabulary, Width)),
        ];
    }
}
