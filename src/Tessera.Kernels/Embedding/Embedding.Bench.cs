using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Embedding
{
    /// <summary>Look-up and scatter of 16,384 random tokens in a vocabulary of 32,768, out of cache.</summary>
    /// <remarks>
    /// Moved for an element of the output, in elements: forward 2 (table, output); backward 3 (gradOutput, and the table's row read and written).
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var cases = new List<BenchCase>();
        var (device, type, tokens, width) = (target.Device, target.Type, target.Tokens, target.Width);
        int vocabulary = 2 * tokens;
        string sizes = $"{tokens}x{width} of {vocabulary}";
        foreach (DType table in target.StorageTypes)
        {
            double bytes = (double)target.Elements * (table.Bytes() + type.Bytes());
            cases.Add(RowBench.Copy(table, $"embedding {sizes}", bytes, arena =>
            {
                var view = MatrixView.Of(BenchInputs.Filled(arena, (long)vocabulary * width, table, 1), vocabulary, width);
                Elements output = BenchInputs.Filled(arena, target.Elements, type, 2);
                int* ids = BenchIds(arena, tokens, vocabulary);
                return () => Forward(device, ids, view, output, tokens);
            }));
        }

        cases.Add(RowBench.Copy(type, $"embedding-backward {sizes}", 3.0 * target.Elements * type.Bytes(), arena =>
        {
            Elements table = BenchInputs.Filled(arena, (long)vocabulary * width, type, 1);
            Elements gradient = BenchInputs.Filled(arena, target.Elements, type, 2);
            int* ids = BenchIds(arena, tokens, vocabulary);
            return () => Backward(device, ids, gradient, table, tokens, vocabulary, width);
        }));

        return cases;
    }

    private static int* BenchIds(Arena arena, int tokens, int vocabulary)
    {
        int[] ids = new int[tokens];
        var random = new CounterRandom(3);
        for (int t = 0; t < tokens; t++)
        {
            ids[t] = random.Next(vocabulary);
        }

        return (int*)BenchInputs.Of<int>(arena, ids);
    }
}
