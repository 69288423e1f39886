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

    // The projections and the head of Llama-3.1-8B.
    private static readonly (int Outputs, int Inputs)[] LargeLayerShapes =
        [(6144, 4096), (4096, 4096), (28_672, 4096), (4096, 14_336), (128_256, 4096)];

    private static readonly int[] LargeStreamTokens = [1, 4, 16, 64];

    private static readonly int[] LargeBatchTokens = [128, 256, 1024];

    /// <summary>
    /// Named <c>gemv</c>: one token, or a few, through weights beyond the caches and inside them. Named <c>gemm</c>: the layers
    /// of a 12-layer, 768-wide model with a vocabulary of 32,000, on a card of Llama-3.1-8B, for batches of tokens,
    /// <c>linear tokens x outputs x inputs</c>.
    /// </summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var streams = target.Pick(
            [(64, 48, 1), (64, 48, 4)], StreamShapes,
            [(8192, 8192, 1), .. from layer in LargeLayerShapes from tokens in LargeStreamTokens select (layer.Outputs, layer.Inputs, tokens)]);
        var layers = target.Pick([(64, 48)], LayerShapes, LargeLayerShapes);
        int[] batches = target.Pick([25], BatchTokens, LargeBatchTokens);
        foreach (DType type in target.StorageTypes)
        {
            foreach (var (outputs, inputs, tokens) in streams)
            {
                string shape = $"{outputs}x{inputs}{(tokens == 1 ? "" : $" {tokens} tokens")}";
                double bytes = (double)outputs * inputs * type.Bytes();
                yield return new BenchCase("gemv", shape, type.Label(), BenchCeiling.StreamRead, bytes, arena =>
                    Prepare(target, arena, outputs, inputs, type, tokens));
            }
        }

        foreach (DType type in target.StorageTypes)
        {
            foreach (int tokens in batches)
            {
                foreach (var (outputs, inputs) in layers)
                {
                    yield return new BenchCase(
                        "gemm", $"linear {tokens}x{outputs}x{inputs}", type.Label(), BenchCeiling.FusedMultiplyAdd,
                        2.0 * tokens * outputs * inputs, arena => Prepare(target, arena, outputs, inputs, type, tokens));
                }
            }
        }
    }

    private static Action Prepare(BenchTarget target, Arena arena, int outputs, int inputs, DType type, int tokens)
    {
        var weight = MatrixView.Of(BenchInputs.Filled(arena, (long)outputs * inputs, type, 1), outputs, inputs);
        Elements x = BenchInputs.Filled(arena, (long)tokens * inputs, target.Type, 2);
        Elements y = BenchInputs.Filled(arena, (long)tokens * outputs, target.Type, 3);
        return () => Forward(target.Device, x, inputs, weight, y, outputs, tokens, accumulate: false);
    }
}
