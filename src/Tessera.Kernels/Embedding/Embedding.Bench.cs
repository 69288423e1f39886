using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Embedding
{
    /// <summary>Look-up and scatter of 16,384 random tokens in a vocabulary of 32,768, out of cache.</summary>
    /// <remarks>
    /// Bytes an element of the output: forward 8 (table, output), 6 from bf16; backward 12 (gradOutput, and the table's row read
    /// and written).
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        var cases = new List<BenchCase>();
        const int Width = RowBench.Width, Tokens = RowBench.Tokens, Vocabulary = 2 * Tokens;
        string sizes = $"{Tokens}x{Width} of {Vocabulary}";
        foreach (var type in new[] { DType.F32, DType.BF16 })
        {
            double bytes = (double)RowBench.Elements * (type.Bytes() + sizeof(float));
            cases.Add(new BenchCase("row", $"embedding {sizes}", type.Label(), BenchCeiling.StreamCopy, bytes, arena =>
            {
                var view = new MatrixView(RowBench.Filled(arena, (long)Vocabulary * Width, type, 1), type, Vocabulary, Width);
                float* output = RowBench.Filled(arena, RowBench.Elements, 2);
                int* ids = BenchIds(arena, Tokens, Vocabulary);
                return () => Forward(device, ids, view, output, Tokens);
            }));
        }

        cases.Add(RowBench.Copy($"embedding-backward {sizes}", 3.0 * RowBench.Elements * sizeof(float), arena =>
        {
            float* table = RowBench.Filled(arena, (long)Vocabulary * Width, 1);
            float* gradient = RowBench.Filled(arena, RowBench.Elements, 2);
            int* ids = BenchIds(arena, Tokens, Vocabulary);
            return () => Backward(device, ids, gradient, table, Tokens, Vocabulary, Width);
        }));

        return cases;
    }

    private static int* BenchIds(Arena arena, int tokens, int vocabulary)
    {
        var ids = (int*)arena.Allocate(tokens * sizeof(int));
        var random = new CounterRandom(3);
        for (int t = 0; t < tokens; t++)
        {
            ids[t] = random.Next(vocabulary);
        }

        return ids;
    }
}
