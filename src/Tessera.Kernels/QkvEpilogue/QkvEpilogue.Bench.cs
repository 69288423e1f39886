using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class QkvEpilogue
{
    /// <summary>Qwen3-0.6B's heads with norms, and Qwen2.5-1.5B's with a bias, out of cache.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        using var arena = new Arena("qkv epilogue bench");
        using var table = new RopeTable(128, 1e6, null, 4096);
        foreach (BenchCase benchCase in MakeBenchCases(device, arena, table))
        {
            yield return benchCase;
        }
    }

    private static BenchCase[] MakeBenchCases(Device device, Arena arena, RopeTable table)
    {
        AttentionShape normed = new(16, 8, 128), biased = new(12, 2, 128);
        float* rows = RowBench.Filled(arena, RowBench.Elements, 1);
        float* saved = RowBench.Filled(arena, RowBench.Elements, 2);
        float* statistics = arena.Floats(RowBench.Elements / 128);
        float* vectors = RowBench.Filled(arena, 8 * 4096, 4);

        // In place, call after call: gains and statistics of 1 keep the numbers from shrinking to denormals.
        new Span<float>(statistics, RowBench.Elements / 128).Fill(1f);
        new Span<float>(vectors, 256).Fill(1f);
        int most = RowBench.Elements / biased.PackedWidth;
        int* positions = (int*)arena.Allocate((long)most * sizeof(int));
        for (int t = 0; t < most; t++)
        {
            positions[t] = t % 4096;
        }

        var gains = new QkvWeights { QueryGain = vectors, KeyGain = vectors + 128, Epsilon = 1e-6f };
        var gradients = new QkvWeights { QueryGain = vectors + 256, KeyGain = vectors + 384 };
        var bias = new QkvWeights { Bias = vectors + 4096 };
        int normedTokens = RowBench.Elements / normed.PackedWidth;
        double normedBytes = (double)normedTokens * normed.PackedWidth * sizeof(float);
        double rotatedBytes = (double)normedTokens * 24 * 128 * sizeof(float);
        double biasedBytes = (double)most * biased.PackedWidth * sizeof(float);
        string normedShape = $"{normedTokens} H16 K8 E128 norm", biasedShape = $"{most} H12 K2 E128 bias";
        return
        [
            new("qkv-epilogue.forward", normedShape, "f32", BenchCeiling.StreamCopy, 2 * rotatedBytes,
                () => Forward(device, normed, rows, gains, positions, normedTokens, table, null, null)),
            new("qkv-epilogue.forward-saving", normedShape, "f32", BenchCeiling.StreamCopy, 3 * rotatedBytes,
                () => Forward(device, normed, rows, gains, positions, normedTokens, table, saved, statistics)),
            new("qkv-epilogue.backward", normedShape, "f32", BenchCeiling.StreamCopy, 3 * rotatedBytes,
                () => Backward(device, normed, rows, gains, gradients, positions, normedTokens, table, saved, statistics)),
            new("qkv-epilogue.forward", biasedShape, "f32", BenchCeiling.StreamCopy, 2 * biasedBytes,
                () => Forward(device, biased, rows, bias, positions, most, table, null, null)),
        ];
    }
}
