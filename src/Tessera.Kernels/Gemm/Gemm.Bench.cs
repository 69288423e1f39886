using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    private static readonly (int M, int N, int K, DType Weight)[] BenchShapes =
    [
        (256, 256, 256, DType.F32), (1024, 1024, 1024, DType.F32), (1536, 1536, 1536, DType.F32), (3072, 3072, 3072, DType.F32),
        (1024, 1024, 1024, DType.BF16), (4096, 512, 256, DType.F32),
    ];

    /// <summary>Square products and one of a training step's, as X·Wᵀ (m x n x k); then both gradients of the latter.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        var cases = new List<BenchCase>();
        foreach (var (m, n, k, weight) in BenchShapes)
        {
            cases.Add(BenchCaseOf(device, m, n, k, weight, transposeA: false, transposeB: true, ""));
        }

        cases.Add(BenchCaseOf(device, 4096, 256, 512, DType.F32, transposeA: false, transposeB: false, "input-gradient "));
        cases.Add(BenchCaseOf(device, 512, 256, 4096, DType.F32, transposeA: true, transposeB: false, "weight-gradient "));

        return cases;
    }

    private static BenchCase BenchCaseOf(
        Device device, int m, int n, int k, DType weight, bool transposeA, bool transposeB, string operation) =>
        new("gemm", $"{operation}{m}x{n}x{k}", weight.Label(), BenchCeiling.FusedMultiplyAdd, 2.0 * m * n * k, arena =>
        {
            nint a = RowBench.Filled(arena, (long)m * k, DType.F32, 1);
            nint b = RowBench.Filled(arena, (long)n * k, weight, 2);
            float* c = RowBench.Filled(arena, (long)m * n, 3);
            var left = new MatrixView(a, DType.F32, transposeA ? k : m, transposeA ? m : k);
            var right = new MatrixView(b, weight, transposeB ? n : k, transposeB ? k : n);
            return () => Multiply(device, left, transposeA, right, transposeB, c, n, m, n, k, accumulate: false);
        });
}
