using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases; FLOPs count visible pairs only.</content>
public static unsafe partial class Attention
{
    /// <summary>Training documents forward and backward, and decoding steps.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        var cases = new List<BenchCase>();
        foreach (var (length, headDim, window) in new[]
        {
            (32, 32, 0), (256, 32, 0), (256, 64, 0), (1024, 64, 0), (1024, 128, 0), (2048, 64, 0), (2048, 64, 256),
        })
        {
            var shape = new AttentionShape(8, 4, headDim) { Window = window };
            int documents = Math.Max(1, 2048 / length);
            double hidden = window == 0 ? 0 : Math.Max(0, length - window);
            double pairs = documents * ((length * (length + 1.0) / 2) - (hidden * (hidden + 1) / 2)) * shape.Heads;
            double flops = pairs * 4.0 * headDim;
            string sizes = $"{documents}x{length} H8 K4 E{headDim}{(window == 0 ? string.Empty : $" W{window}")}";
            cases.Add(new BenchCase("attention", $"forward {sizes}", "f32", BenchCeiling.FusedMultiplyAdd, flops, arena =>
            {
                var buffers = new BenchBuffers(arena, shape, documents, length);
                return () => buffers.Forward(device);
            }));
            cases.Add(new BenchCase("attention", $"backward {sizes}", "f32", BenchCeiling.FusedMultiplyAdd, 2.5 * flops, arena =>
            {
                var buffers = new BenchBuffers(arena, shape, documents, length);
                buffers.Forward(device);
                return () => buffers.Backward(device);
            }));
        }

        foreach (var (sequences, keys, headDim, window) in new[] { (1, 300, 32, 0), (8, 300, 32, 0), (8, 2048, 64, 0), (8, 2048, 64, 512) })
        {
            foreach (var type in new[] { DType.F32, DType.BF16 })
            {
                cases.Add(BenchDecode(device, new AttentionShape(8, 4, headDim) { Window = window }, sequences, keys, type));
            }
        }

        return cases;
    }

    private static BenchCase BenchDecode(Device device, AttentionShape shape, int sequences, int keys, DType type)
    {
        int width = shape.KvHeads * shape.HeadDim, queryWidth = shape.Heads * shape.HeadDim;
        long cached = (long)keys * width;
        string sizes = $"decode {sequences} seq x {keys} keys H{shape.Heads} K{shape.KvHeads} E{shape.HeadDim}"
            + (shape.Window == 0 ? string.Empty : $" W{shape.Window}");
        double bytes = 2.0 * sequences * width * type.Bytes() * (keys - shape.FirstVisible(keys - 1));
        return new BenchCase("attention", sizes, type.Label(), BenchCeiling.StreamRead, bytes, arena =>
        {
            float* queries = RowBench.Filled(arena, (long)sequences * queryWidth, 1);
            float* output = arena.Floats((long)sequences * queryWidth);
            var keyStore = new Elements(RowBench.Filled(arena, sequences * cached, type, 2), type);
            var valueStore = new Elements(RowBench.Filled(arena, sequences * cached, type, 3), type);
            var segments = (AttentionSegment*)arena.Allocate((long)sequences * sizeof(AttentionSegment));
            for (int s = 0; s < sequences; s++)
            {
                segments[s] = new()
                {
                    QueryStart = s,
                    QueryCount = 1,
                    KeyCount = keys,
                    KeyStart = (long)s * keys,
                };
            }

            var bounds = new AttentionBounds(sequences, sequences, 1, keys);
            return () => Forward(
                device, shape, queries, queryWidth, segments, bounds, keyStore, valueStore, width, output, queryWidth, null);
        });
    }

    /// <summary>Packed documents of one length with everything a training step holds for them.</summary>
    private sealed class BenchBuffers
    {
        private readonly AttentionShape _shape;
        private readonly AttentionBounds _bounds;
        private readonly float* _packed;
        private readonly float* _gradPacked;
        private readonly float* _output;
        private readonly float* _gradOutput;
        private readonly float* _logSumExp;
        private readonly AttentionSegment* _segments;

        public BenchBuffers(Arena arena, AttentionShape shape, int documents, int length)
        {
            long tokens = (long)documents * length;
            _shape = shape;
            _bounds = new AttentionBounds(documents, (int)tokens, length, length);
            _packed = RowBench.Filled(arena, tokens * shape.PackedWidth, 1);
            _gradPacked = RowBench.Filled(arena, tokens * shape.PackedWidth, 2);
            _output = RowBench.Filled(arena, tokens * shape.Heads * shape.HeadDim, 3);
            _gradOutput = RowBench.Filled(arena, tokens * shape.Heads * shape.HeadDim, 4);
            _logSumExp = RowBench.Filled(arena, tokens * shape.Heads, 5);
            _segments = (AttentionSegment*)arena.Allocate((long)documents * sizeof(AttentionSegment));
            for (int d = 0; d < documents; d++)
            {
                _segments[d] = new()
                {
                    QueryStart = d * length,
                    QueryCount = length,
                    KeyCount = length,
                    KeyStart = d * length,
                };
            }
        }

        public void Forward(Device device) =>
            Attention.Forward(
                device,
                _shape,
                _packed,
                _shape.PackedWidth,
                _segments,
                _bounds,
                _packed + (_shape.Heads * _shape.HeadDim),
                _packed + ((_shape.Heads + _shape.KvHeads) * _shape.HeadDim),
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
                _bounds,
                _packed + (_shape.Heads * _shape.HeadDim),
                _packed + ((_shape.Heads + _shape.KvHeads) * _shape.HeadDim),
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
