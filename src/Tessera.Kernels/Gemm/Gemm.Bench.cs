using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    private static readonly (int M, int N, int K)[] ProcessorShapes =
        [(256, 256, 256), (1024, 1024, 1024), (1536, 1536, 1536), (3072, 3072, 3072), (4096, 512, 256)];

    // 16,384 tokens through the projections of Llama-3.2-1B, 8,192 through those of Llama-3.1-8B.
    private static readonly (int M, int N, int K)[] CardShapes =
    [
        (1024, 1024, 1024), (4096, 4096, 4096), (8192, 8192, 8192),
        (16_384, 3072, 2048), (16_384, 2048, 2048), (16_384, 16_384, 2048), (16_384, 2048, 8192),
        (8192, 6144, 4096), (8192, 4096, 4096), (8192, 28_672, 4096), (8192, 4096, 14_336),
    ];

    /// <summary>
    /// Square products and those of training steps, as X·Wᵀ (m x n x k); then both gradients of one of the latter. On a card then the
    /// same through our launcher beside the fastest of the library's proposals, called by itself.
    /// </summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        foreach (var (m, n, k) in target.Pick([(64, 64, 64)], ProcessorShapes, CardShapes))
        {
            yield return BenchCaseOf(target, m, n, k, target.StorageTypes[0], transposeA: false, transposeB: true, "");
        }

        if (target.StorageTypes.Count > 1)
        {
            int edge = target.Pick(64, 1024, 1024);
            yield return BenchCaseOf(target, edge, edge, edge, target.StorageTypes[1], transposeA: false, transposeB: true, "");
        }

        // Tokens, outputs and inputs of the layer.
        var (tokens, outputs, inputs) = target.Pick((64, 32, 48), (4096, 512, 256), (16_384, 16_384, 2048));
        yield return BenchCaseOf(
            target, tokens, inputs, outputs, target.StorageTypes[0], transposeA: false, transposeB: false, "input-gradient ");
        yield return BenchCaseOf(
            target, outputs, inputs, tokens, target.StorageTypes[0], transposeA: true, transposeB: false, "weight-gradient ");
        if (target.Device is CudaDevice cuda)
        {
            foreach (var (m, n, k) in target.Pick([(64, 64, 64)], [], CardShapes))
            {
                yield return BenchCaseOf(target, m, n, k, target.StorageTypes[0], transposeA: false, transposeB: true, "launcher ") with
                {
                    Peer = arena => cuda.Products.Fastest(
                        new CudaProduct(m, n, k, false, true, k, k, n, target.Type, target.Type),
                        BenchInputs.Filled(arena, (long)m * k, target.Type, 1).Address,
                        BenchInputs.Filled(arena, (long)n * k, target.Type, 2).Address,
                        BenchInputs.Filled(arena, (long)m * n, target.Type, 3).Address),
                };
            }
        }
    }

    private static BenchCase BenchCaseOf(
        BenchTarget target, int m, int n, int k, DType weight, bool transposeA, bool transposeB, string operation) =>
        new("gemm", $"{operation}{m}x{n}x{k}", weight.Label(), BenchCeiling.FusedMultiplyAdd, 2.0 * m * n * k, arena =>
        {
            Elements a = BenchInputs.Filled(arena, (long)m * k, target.Type, 1);
            Elements b = BenchInputs.Filled(arena, (long)n * k, weight, 2);
            Elements c = BenchInputs.Filled(arena, (long)m * n, target.Type, 3);
            var left = MatrixView.Of(a, transposeA ? k : m, transposeA ? m : k);
            var right = MatrixView.Of(b, transposeB ? n : k, transposeB ? k : n);
            return () => Multiply(target.Device, left, transposeA, right, transposeB, c, n, m, n, k, accumulate: false);
        });
}
