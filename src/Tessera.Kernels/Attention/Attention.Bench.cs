using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases; FLOPs count visible pairs only.</content>
public static unsafe partial class Attention
{
    /// <summary>Training documents forward and backward, and decoding steps. The buffers live as long as the process.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        foreach (var (length, headDim, window) in new[]
        {
            (32, 32, 0), (256, 32, 0), (256, 64, 0), (1024, 64, 0), (1024, 128, 0), (2048, 64, 0), (2048, 64, 256),
        })
        {
            var heads = new AttentionShape(8, 4, headDim) { Window = window };
            var buffers = new BenchBuffers(heads, documents: Math.Max(1, 2048 / length), length);
            double flops = buffers.VisiblePairs * 4.0 * headDim;
            string shape = $"{buffers.Documents}x{length} H8 K4 E{headDim}{(window == 0 ? string.Empty : $" W{window}")}";
            yield return new BenchCase(
                "attention-forward", shape, "f32", BenchCeiling.FusedMultiplyAdd, flops, () => buffers.Forward(device));
            yield return new BenchCase(
                "attention-backward", shape, "f32", BenchCeiling.FusedMultiplyAdd, 2.5 * flops, () => buffers.Backward(device));
        }

        foreach (var (sequences, keys, headDim, window) in new[] { (1, 300, 32, 0), (8, 300, 32, 0), (8, 2048, 64, 0), (8, 2048, 64, 512) })
        {
            foreach (var type in new[] { DType.F32, DType.BF16 })
            {
                yield return BenchDecode(device, new AttentionShape(8, 4, headDim) { Window = window }, sequences, keys, type);
            }
        }
    }

    private static BenchCase BenchDecode(Device device, AttentionShape shape, int sequences, int keys, DType type)
    {
        int width = shape.KvHeads * shape.HeadDim, queryWidth = shape.Heads * shape.HeadDim;
        long cacheBytes = (long)keys * width * type.Bytes();
        float* queries = BenchFloats((long)sequences * queryWidth);
        float* output = BenchFloats((long)sequences * queryWidth);
        float* source = BenchFloats((long)keys * width);
        var segments = (AttentionSegment*)NativeMemory.Alloc((nuint)sequences, (nuint)sizeof(AttentionSegment));
        for (int s = 0; s < sequences; s++)
        {
            nint cached = (nint)NativeMemory.AlignedAlloc((nuint)(2 * cacheBytes), 64);
            KeyValueStore.Append(device, source, source, width, keys, type, cached, cached + (nint)cacheBytes, width, width);
            segments[s] = new() { QueryStart = s, QueryCount = 1, KeyCount = keys, Keys = cached, Values = cached + (nint)cacheBytes };
        }

        string name = $"{sequences} seq x {keys} keys H{shape.Heads} K{shape.KvHeads} E{shape.HeadDim}"
            + (shape.Window == 0 ? string.Empty : $" W{shape.Window}");
        double readBytes = 2.0 * sequences * cacheBytes / keys * (keys - shape.FirstVisible(keys - 1));
        return new BenchCase("attention-decode", name, type.Label(), BenchCeiling.StreamRead, readBytes, () =>
            Forward(device, shape, queries, queryWidth, segments, sequences, type, width, output, queryWidth, null));
    }

    private static float* BenchFloats(long count)
    {
        var floats = (float*)NativeMemory.AlignedAlloc((nuint)(count * sizeof(float)), 64);
        var random = new CounterRandom(1, 0xBE7C);
        for (long i = 0; i < count; i++)
        {
            floats[i] = random.NextSingle() - 0.5f;
        }

        return floats;
    }

    /// <summary>Packed documents of one length with everything a training step holds for them.</summary>
    private sealed class BenchBuffers
    {
        private readonly AttentionShape _shape;
        private readonly float* _packed;
        private readonly float* _gradPacked;
        private readonly float* _output;
        private readonly float* _gradOutput;
        private readonly float* _logSumExp;
        private readonly AttentionSegment* _segments;

        public BenchBuffers(AttentionShape shape, int documents, int length)
        {
            long tokens = (long)documents * length;
            _shape = shape;
            Documents = documents;
            double hidden = shape.Window == 0 ? 0 : Math.Max(0, length - shape.Window);
            VisiblePairs = documents * ((length * (length + 1.0) / 2) - (hidden * (hidden + 1) / 2)) * shape.Heads;
            _packed = BenchFloats(tokens * shape.PackedWidth);
            _gradPacked = BenchFloats(tokens * shape.PackedWidth);
            _output = BenchFloats(tokens * shape.Heads * shape.HeadDim);
            _gradOutput = BenchFloats(tokens * shape.Heads * shape.HeadDim);
            _logSumExp = BenchFloats(tokens * shape.Heads);
            _segments = (AttentionSegment*)NativeMemory.Alloc((nuint)documents, (nuint)sizeof(AttentionSegment));
            for (int d = 0; d < documents; d++)
            {
                float* keys = _packed + ((long)d * length * shape.PackedWidth) + (shape.Heads * shape.HeadDim);
                _segments[d] = new()
                {
                    QueryStart = d * length,
                    QueryCount = length,
                    KeyCount = length,
                    Keys = (nint)keys,
                    Values = (nint)(keys + (shape.KvHeads * shape.HeadDim)),
                };
            }
        }

        public int Documents { get; }

        public double VisiblePairs { get; }

        public void Forward(Device device) =>
            Attention.Forward(
                device,
                _shape,
                _packed,
                _shape.PackedWidth,
                _segments,
                Documents,
                DType.F32,
                _shape.PackedWidth,
                _output,
                _shape.Heads * _shape.HeadDim,
                _logSumExp);

        public void Backward(Device device)
        {
            float* gradKeys = _gradPacked + (_shape.Heads * _shape.HeadDim);
            Attention.Backward(
                device,
                _shape,
                _packed,
                _shape.PackedWidth,
                _segments,
                Documents,
                _shape.PackedWidth,
                _output,
                _gradOutput,
                _shape.Heads * _shape.HeadDim,
                _logSumExp,
                _gradPacked,
                gradKeys,
                gradKeys + (_shape.KvHeads * _shape.HeadDim),
                _shape.PackedWidth);
        }
    }
}
