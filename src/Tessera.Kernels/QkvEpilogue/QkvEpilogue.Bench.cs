using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class QkvEpilogue
{
    /// <summary>Qwen3-0.6B's heads with norms, and Qwen2.5-1.5B's with a bias, out of cache.</summary>
    /// <remarks>
    /// Bytes an element of the heads that are changed: 8 in place; 12 where the heads are saved for the backward, and in the
    /// backward, which reads them. With norms the values' heads are not touched.
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        AttentionShape normed = new(16, 8, 128), biased = new(12, 2, 128);
        int tokens = RowBench.Elements / normed.PackedWidth, biasedTokens = RowBench.Elements / biased.PackedWidth;
        double rotatedBytes = (double)tokens * 24 * 128 * sizeof(float);
        double biasedBytes = (double)biasedTokens * biased.PackedWidth * sizeof(float);
        string normedSizes = $"{tokens} H16 K8 E128 norm", biasedSizes = $"{biasedTokens} H12 K2 E128 bias";
        return
        [
            RowBench.Copy($"qkv-epilogue {normedSizes}", 2 * rotatedBytes, arena =>
            {
                var b = new BenchBuffers(arena, tokens);
                return () => Forward(device, normed, b.Rows, b.Gains, b.Positions, tokens, b.Table, null, null);
            }),
            RowBench.Copy($"qkv-epilogue-saving {normedSizes}", 3 * rotatedBytes, arena =>
            {
                var b = new BenchBuffers(arena, tokens);
                return () => Forward(device, normed, b.Rows, b.Gains, b.Positions, tokens, b.Table, b.Saved, b.Statistics);
            }),
            RowBench.Copy($"qkv-epilogue-backward {normedSizes}", 3 * rotatedBytes, arena =>
            {
                var b = new BenchBuffers(arena, tokens);
                return () => Backward(
                    device, normed, b.Rows, b.Gains, b.Gradients, b.Positions, tokens, b.Table, b.Saved, b.Statistics);
            }),
            RowBench.Copy($"qkv-epilogue {biasedSizes}", 2 * biasedBytes, arena =>
            {
                var b = new BenchBuffers(arena, biasedTokens);
                return () => Forward(device, biased, b.Rows, b.Bias, b.Positions, biasedTokens, b.Table, null, null);
            }),
        ];
    }

    [SuppressMessage("Design", "CA1001", Justification = "The case keeps its table for as long as the process lives.")]
    private sealed class BenchBuffers
    {
        private const int PositionCount = 4096;

        public BenchBuffers(Arena arena, int tokens)
        {
            Rows = RowBench.Filled(arena, RowBench.Elements, 1);
            Saved = RowBench.Filled(arena, RowBench.Elements, 2);
            Statistics = arena.Floats(RowBench.Elements / 128);
            float* vectors = RowBench.Filled(arena, 8 * 4096, 4);

            // In place, call after call: gains and statistics of 1 keep the numbers from shrinking to denormals.
            new Span<float>(Statistics, RowBench.Elements / 128).Fill(1f);
            new Span<float>(vectors, 256).Fill(1f);
            Positions = (int*)arena.Allocate((long)tokens * sizeof(int));
            for (int t = 0; t < tokens; t++)
            {
                Positions[t] = t % PositionCount;
            }

            Gains = new QkvWeights { QueryGain = vectors, KeyGain = vectors + 128, Epsilon = 1e-6f };
            Gradients = new QkvWeights { QueryGain = vectors + 256, KeyGain = vectors + 384 };
            Bias = new QkvWeights { Bias = vectors + 4096 };
        }

        public float* Rows { get; }

        public float* Saved { get; }

        public float* Statistics { get; }

        public int* Positions { get; }

        public QkvWeights Gains { get; }

        public QkvWeights Gradients { get; }

        public QkvWeights Bias { get; }

        public RopeTable Table { get; } = new(128, 1e6, null, PositionCount);
    }
}
