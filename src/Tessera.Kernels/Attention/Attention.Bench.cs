using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

/// <content>Benchmark cases; FLOPs count visible pairs only.</content>
public static unsafe partial class Attention
{
    /// <summary>Training documents forward and backward, and decoding steps.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        const int Window = 256;
        var small = new AttentionShape(8, 4, 32);
        var large = new AttentionShape(32, 8, 128);
        foreach (var (documents, length, shape) in target.Pick<(int, int, AttentionShape)[]>(
            [(2, 40, small)],
            [
                (64, 32, small), (8, 256, small), (8, 256, new(8, 4, 64)), (2, 1024, new(8, 4, 64)), (2, 1024, new(8, 4, 128)),
                (1, 2048, new(8, 4, 64)), (1, 2048, new(8, 4, 64) { Window = Window }),
            ],
            [
                (4, 4096, large), (16, 1024, large), (2, 8192, large), (4, 4096, new(32, 8, 64)), (16, 1024, new(32, 8, 64)),
                (4, 4096, large with { Window = 4 * Window }),
            ]))
        {
            yield return BenchDocuments(target, documents, length, shape, isForward: true);
            yield return BenchDocuments(target, documents, length, shape, isForward: false);
        }

        foreach (var (sequences, keys, shape) in target.Pick<(int, int, AttentionShape)[]>(
            [(2, 70, small)],
            [(1, 300, small), (8, 300, small), (8, 2048, new(8, 4, 64)), (8, 2048, new(8, 4, 64) { Window = 2 * Window })],
            [(1, 512, large), (1, 4096, large), (1, 32_768, large), (64, 512, large), (64, 4096, large), (64, 1024, new(32, 8, 64))]))
        {
            foreach (DType type in target.StorageTypes)
            {
                yield return BenchDecode(target, shape, sequences, keys, type);
            }
        }
    }

    private static string BenchLabel(in AttentionShape shape) =>
        $"H{shape.Heads} K{shape.KvHeads} E{shape.HeadDim}{(shape.Window == 0 ? string.Empty : $" W{shape.Window}")}";

    private static BenchCase BenchDocuments(BenchTarget target, int documents, int length, AttentionShape shape, bool isForward)
    {
        double hidden = shape.Window == 0 ? 0 : Math.Max(0, length - shape.Window);
        double pairs = documents * ((length * (length + 1.0) / 2) - (hidden * (hidden + 1) / 2)) * shape.Heads;
        double flops = pairs * 4.0 * shape.HeadDim * (isForward ? 1 : 2.5);
        string name = $"{(isForward ? "forward" : "backward")} {documents}x{length} {BenchLabel(shape)}";
        return new BenchCase("attention", name, target.Type.Label(), BenchCeiling.FusedMultiplyAdd, flops, arena =>
        {
            var buffers = new BenchBuffers(arena, target.Type, shape, documents, length);
            if (isForward)
            {
                return () => buffers.Forward(target.Device);
            }

            buffers.Forward(target.Device);
            return () => buffers.Backward(target.Device);
        });
    }

    private static BenchCase BenchDecode(BenchTarget target, AttentionShape shape, int sequences, int keys, DType type)
    {
        int width = shape.KvHeads * shape.HeadDim, queryWidth = shape.Heads * shape.HeadDim;
        long cached = (long)keys * width;
        double bytes = 2.0 * sequences * width * type.Bytes() * (keys - shape.FirstVisible(keys - 1));
        string name = $"decode {sequences} seq x {keys} keys {BenchLabel(shape)}";
        return new BenchCase("attention", name, type.Label(), BenchCeiling.StreamRead, bytes, arena =>
        {
            Elements queries = BenchInputs.Filled(arena, (long)sequences * queryWidth, target.Type, 1);
            Elements output = BenchInputs.Filled(arena, (long)sequences * queryWidth, target.Type, 4);
            Elements keyStore = BenchInputs.Filled(arena, sequences * cached, type, 2);
            Elements valueStore = BenchInputs.Filled(arena, sequences * cached, type, 3);
            var segments = BenchSegments(arena, sequences, 1, keys);
            var bounds = new AttentionBounds(sequences, sequences, 1, keys);
            return () => Forward(
                target.Device, shape, queries, queryWidth, segments, bounds, keyStore, valueStore, width, output, queryWidth, null);
        });
    }

    private static AttentionSegment* BenchSegments(Arena arena, int count, int queries, int keys)
    {
        var segments = new AttentionSegment[count];
        for (int s = 0; s < segments.Length; s++)
        {
            segments[s] = new AttentionSegment
            {
                QueryStart = s * queries,
                QueryCount = queries,
                KeyCount = keys,
                KeyStart = s * keys,
            };
        }

        return (AttentionSegment*)BenchInputs.Of<AttentionSegment>(arena, segments);
    }

    /// <summary>Packed documents of one length with everything a training step holds for them.</summary>
    private sealed class BenchBuffers
    {
        private readonly AttentionShape _shape;
        private readonly AttentionBounds _bounds;
        private readonly Elements _packed;
        private readonly Elements _gradPacked;
        private readonly Elements _output;
        private readonly Elements _gradOutput;
        private readonly float* _logSumExp;
        private readonly AttentionSegment* _segments;

        public BenchBuffers(Arena arena, DType type, AttentionShape shape, int documents, int length)
        {
            long tokens = (long)documents * length;
            _shape = shape;
            _bounds = new AttentionBounds(documents, (int)tokens, length, length);
            _packed = BenchInputs.Filled(arena, tokens * shape.PackedWidth, type, 1);
            _gradPacked = BenchInputs.Filled(arena, tokens * shape.PackedWidth, type, 2);
            _output = BenchInputs.Filled(arena, tokens * shape.Heads * shape.HeadDim, type, 3);
            _gradOutput = BenchInputs.Filled(arena, tokens * shape.Heads * shape.HeadDim, type, 4);
            _logSumExp = BenchInputs.Floats(arena, tokens * shape.Heads, 5);
            _segments = BenchSegments(arena, documents, length, length);
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
            Elements gradKeys = _gradPacked + (_shape.Heads * _shape.HeadDim);
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
