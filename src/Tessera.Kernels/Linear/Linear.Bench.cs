using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Linear
{
    private static readonly (int Outputs, int Inputs, int Tokens)[] StreamShapes =
    [
        (8192, 8192, 1), (8192, 8192, 4), (32_000, 768, 1), (4096, 4096, 1), (2048, 768, 1), (1024, 256, 1),
    ];

    private static readonly (int Outputs, int Inputs)[] LayerShapes = [(768, 768), (768, 2048), (2048, 768), (32_000, 768)];

    private static readonly int[] BatchTokens = [25, 64, 128, 256, 1024];

    /// <summary>
    /// Named <c>gemv</c>: one token, or four, through weights beyond the caches and inside them. Named <c>gemm</c>: the layers
    /// of a 12-layer, 768-wide model with a vocabulary of 32,000 for batches of tokens, <c>linear tokens x outputs x inputs</c>.
    /// </summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        var cases = new List<BenchCase>();
        foreach (var type in new[] { DType.F32, DType.BF16 })
        {
            foreach (var (outputs, inputs, tokens) in StreamShapes)
            {
                string shape = $"{outputs}x{inputs}{(tokens == 1 ? "" : $" {tokens} tokens")}";
                double bytes = (double)outputs * inputs * type.Bytes();
                cases.Add(new BenchCase("gemv", shape, type.Label(), BenchCeiling.StreamRead, bytes, arena =>
                    Prepare(device, arena, outputs, inputs, type, tokens)));
            }
        }

        foreach (var type in new[] { DType.F32, DType.BF16 })
        {
            foreach (int tokens in BatchTokens)
            {
                foreach (var (outputs, inputs) in LayerShapes)
                {
                    cases.Add(new BenchCase(
                        "gemm", $"linear {tokens}x{outputs}x{inputs}", type.Label(), BenchCeiling.FusedMultiplyAdd,
                        2.0 * tokens * outputs * inputs, arena => Prepare(device, arena, outputs, inputs, type, tokens)));
                }
            }
        }

        return cases;
    }

    private static Action Prepare(Device device, Arena arena, int outputs, int inputs, DType type, int tokens)
    {
        var weight = new MatrixView(RowBench.Filled(arena, (long)outputs * inputs, type, 1), type, outputs, inputs);
        float* x = RowBench.Filled(arena, (long)tokens * inputs, 2);
        float* y = RowBench.Filled(arena, (long)tokens * outputs, 3);
        return () => Forward(device, x, inputs, weight, y, outputs, tokens, accumulate: false);
    }
}
