using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class QkvEpilogue
{
    /// <summary>Qwen3-0.6B's heads with norms, and Qwen2.5-1.5B's with a bias, out of cache.</summary>
    /// <remarks>
    /// Moved for an element of the heads that are changed, in elements: 2 in place; 3 where the heads are saved for the backward, and in the
    /// backward, which reads them. With norms the values' heads are not touched.
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        AttentionShape normed = new(16, 8, 128), biased = new(12, 2, 128);
        var (device, type) = (target.Device, target.Type);
        int tokens = target.Elements / normed.PackedWidth, biasedTokens = target.Elements / biased.PackedWidth;
        double rotatedBytes = (double)tokens * 24 * 128 * type.Bytes();
        double biasedBytes = (double)biasedTokens * biased.PackedWidth * type.Bytes();
        string normedSizes = $"{tokens} H16 K8 E128 norm", biasedSizes = $"{biasedTokens} H12 K2 E128 bias";
        return
        [
            RowBench.Copy(type, $"qkv-epilogue {normedSizes}", 2 * rotatedBytes, arena =>
            {
                var b = new BenchBuffers(arena, target, tokens);
                return () => Forward(device, normed, b.Rows, b.Gains, b.Positions, tokens, b.Table, default, null);
            }),
            RowBench.Copy(type, $"qkv-epilogue-saving {normedSizes}", 3 * rotatedBytes, arena =>
            {
                var b = new BenchBuffers(arena, target, tokens);
                return () => Forward(device, normed, b.Rows, b.Gains, b.Positions, tokens, b.Table, b.Saved, b.Statistics);
            }),
            RowBench.Copy(type, $"qkv-epilogue-backward {normedSizes}", 3 * rotatedBytes, arena =>
            {
                var b = new BenchBuffers(arena, target, tokens);
                return () => Backward(
                    device, normed, b.Rows, b.Gains, b.Gradients, b.Positions, tokens, b.Table, b.Saved, b.Statistics);
            }),
            RowBench.Copy(type, $"qkv-epilogue {biasedSizes}", 2 * biasedBytes, arena =>
            {
                var b = new BenchBuffers(arena, target, biasedTokens);
                return () => Forward(device, biased, b.Rows, b.Bias, b.Positions, biasedTokens, b.Table, default, null);
            }),
        ];
    }

    [SuppressMessage("Design", "CA1001", Justification = "The case keeps its table for as long as the process lives.")]
    private sealed class BenchBuffers
    {
        private const int PositionCount = 4096;

        public BenchBuffers(Arena arena, BenchTarget target, int tokens)
        {
            Rows = BenchInputs.Filled(arena, target.Elements, target.Type, 1);
            Saved = BenchInputs.Filled(arena, target.Elements, target.Type, 2);

            // In place, call after call: gains and statistics of 1 keep the numbers from shrinking to denormals.
            Statistics = BenchInputs.Ones(arena, target.Elements / 128);
            float* ones = BenchInputs.Ones(arena, 256);
            float* gradients = BenchInputs.Floats(arena, 256, 4);
            Positions = (int*)BenchInputs.Of<int>(arena, [.. Enumerable.Range(0, tokens).Select(t => t % PositionCount)]);
            Gains = new QkvWeights { QueryGain = ones, KeyGain = ones + 128, Epsilon = 1e-6f };
            Gradients = new QkvWeights { QueryGain = gradients, KeyGain = gradients + 128 };
            Bias = new QkvWeights { Bias = BenchInputs.Floats(arena, 4096, 5) };
            Table = new RopeTable(128, 1e6, null, PositionCount, arena.Memory);
        }

        public Elements Rows { get; }

        public Elements Saved { get; }

        public float* Statistics { get; }

        public int* Positions { get; }

        public QkvWeights Gains { get; }

        public QkvWeights Gradients { get; }

        public QkvWeights Bias { get; }

        public RopeTable Table { get; }
    }
}
