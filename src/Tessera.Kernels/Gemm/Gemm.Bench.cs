using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Gemm
{
    private static readonly (int M, int N, int K)[] BenchShapes =
        [(256, 256, 256), (1024, 1024, 1024), (1536, 1536, 1536), (4096, 512, 256)];

    /// <summary>Square products and one of a training step's, as X·Wᵀ; then the weight gradient of the latter.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        foreach (var (m, n, k) in BenchShapes)
        {
            yield return BenchCaseOf(device, m, n, k, transposeA: false, transposeB: true);
        }

        yield return BenchCaseOf(device, 512, 256, 4096, transposeA: true, transposeB: false);
    }

    private static BenchCase BenchCaseOf(Device device, int m, int n, int k, bool transposeA, bool transposeB)
    {
        float[] memory = BenchInputs(((long)m * k) + ((long)k * n) + ((long)m * n), DType.F32);
        string shape = $"{m}x{n}x{k}{(transposeA ? " At" : "")}{(transposeB ? " Bt" : "")}";
        return new BenchCase("gemm", shape, "f32", BenchCeiling.FusedMultiplyAdd, 2.0 * m * n * k, Run);

        void Run()
        {
            float* a = (float*)Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0);
            float* b = a + ((long)m * k);
            var left = new MatrixView((nint)a, DType.F32, transposeA ? k : m, transposeA ? m : k);
            var right = new MatrixView((nint)b, DType.F32, transposeB ? n : k, transposeB ? k : n);
            Multiply(device, left, transposeA, right, transposeB, b + ((long)k * n), n, m, n, k, accumulate: false);
        }
    }

    /// <summary>Pinned memory with values in (-1, 1), none of them zero: one f32 a word, or the same bf16 twice.</summary>
    internal static float[] BenchInputs(long words, DType type)
    {
        float[] memory = GC.AllocateUninitializedArray<float>(checked((int)words), pinned: true);
        uint state = 12345;
        for (int i = 0; i < memory.Length; i++)
        {
            state = (state * 1664525) + 1013904223;
            float value = (((state >> 9) + 0.5f) * (1f / (1 << 22))) - 1f;
            uint half = Bf16.Round(value);
            memory[i] = type == DType.BF16 ? BitConverter.UInt32BitsToSingle((half << 16) | half) : value;
        }

        return memory;
    }
}
