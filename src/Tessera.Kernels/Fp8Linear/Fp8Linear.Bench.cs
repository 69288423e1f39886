using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Fp8Linear
{
    // The projections and the head of Llama-3.1-8B.
    private static readonly (int Outputs, int Inputs)[] Shapes =
        [(6144, 4096), (4096, 4096), (28_672, 4096), (4096, 14_336), (128_256, 4096)];

    private static readonly int[] StreamTokens = [1, 16, 64];

    private static readonly int[] BatchTokens = [128, 256, 1024];

    /// <summary>
    /// On cards with E4M3: <c>gemv</c>, few tokens, held against reading as many bytes as the weight has; <c>gemm</c>, many, tokens'
    /// rounding included, held against the library's product in the type of the activations: what it would cost in bf16.
    /// </summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        if (target.Device is not CudaDevice { Card.HasFp8: true })
        {
            yield break;
        }

        var shapes = target.Pick([(64, 48)], Shapes, Shapes);
        foreach (var (outputs, inputs) in shapes)
        {
            foreach (int tokens in target.Pick([1, 20], StreamTokens, StreamTokens))
            {
                yield return new BenchCase(
                    "gemv", $"{outputs}x{inputs}{(tokens == 1 ? "" : $" {tokens} tokens")}", DType.FP8.Label(), BenchCeiling.StreamRead,
                    DType.FP8.MatrixBytes(outputs, inputs), arena => Prepare(target, arena, outputs, inputs, tokens));
            }
        }

        foreach (int tokens in target.Pick([25], BatchTokens, BatchTokens))
        {
            foreach (var (outputs, inputs) in shapes)
            {
                yield return new BenchCase(
                    "gemm", $"linear {tokens}x{outputs}x{inputs}", DType.FP8.Label(), BenchCeiling.FusedMultiplyAdd,
                    2.0 * tokens * outputs * inputs, arena => Prepare(target, arena, outputs, inputs, tokens));
            }
        }
    }

    private static Action Prepare(BenchTarget target, Arena arena, int outputs, int inputs, int tokens)
    {
        var weight = new MatrixView(arena.Allocate(DType.FP8.MatrixBytes(outputs, inputs)), DType.FP8, outputs, inputs);
        using (Arena wide = target.Device.CreateArena("weight to be rounded"))
        {
            Fp8Matrix.Store(
                target.Device, weight, 0, outputs, BenchInputs.Filled(wide, (long)outputs * inputs, target.Type, 1), inputs);
            target.Device.Synchronize();
        }

        Elements x = BenchInputs.Filled(arena, (long)tokens * inputs, target.Type, 2);
        Elements y = BenchInputs.Filled(arena, (long)tokens * outputs, target.Type, 3);
        return () => Linear.Forward(target.Device, x, inputs, weight, y, outputs, tokens, accumulate: false);
    }
}
