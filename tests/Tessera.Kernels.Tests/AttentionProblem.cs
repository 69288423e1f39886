using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

/// <summary>
/// A packed step of several sequences with random numbers, in the projection buffer alone or with caches, together with
/// its answer by the scalar reference.
/// </summary>
internal sealed unsafe class AttentionProblem : IDisposable
{
    private readonly (int Queries, int Keys)[] _sequences;
    private readonly GuardedFloats[] _caches = [];
    private readonly List<double[]> _keys = [];
    private readonly List<double[]> _values = [];

    /// <param name="shape">Heads.</param>
    /// <param name="sequences">Queries and keys of each sequence; rows follow each other.</param>
    /// <param name="cacheType">Storage of the caches, or null: keys and values stay in the projection buffer.</param>
    /// <param name="number">Makes element i of the random numbers.</param>
    public AttentionProblem(
        AttentionShape shape,
        (int Queries, int Keys)[] sequences,
        DType? cacheType = null,
        Func<CounterRandom, ulong, float>? number = null)
    {
        Shape = shape;
        _sequences = sequences;
        CacheType = cacheType;
        Tokens = sequences.Sum(s => s.Queries);
        Packed = Random((long)Tokens * shape.PackedWidth, 1, number);
        GradOutput = Random((long)Tokens * QueryWidth, 2, number);
        Segments = new AttentionSegment[sequences.Length];
        if (cacheType is { } stored)
        {
            // Behind every sequence's rows one more, which holds the buffer's poison and belongs to nobody.
            long elements = (sequences.Sum(s => (long)s.Keys) + sequences.Length) * KvWidth;
            long floats = stored == DType.F32 ? elements : (elements + 1) / 2;
            _caches = [new GuardedFloats(floats, misalignment: 1), new GuardedFloats(floats, misalignment: 1)];
        }

        for (int s = 0, row = 0, cached = 0; s < sequences.Length; row += sequences[s].Queries, cached += sequences[s].Keys + 1, s++)
        {
            Segments[s] = new()
            {
                QueryStart = row,
                QueryCount = sequences[s].Queries,
                KeyCount = sequences[s].Keys,
                KeyStart = cacheType is null ? row : cached,
            };
            if (cacheType is { } type)
            {
                FillCaches(s, type, number);
            }
            else
            {
                UsePacked(s);
            }
        }
    }

    public AttentionShape Shape { get; }

    public DType? CacheType { get; }

    public int Tokens { get; }

    public int QueryWidth => Shape.Heads * Shape.HeadDim;

    public int KvWidth => Shape.KvHeads * Shape.HeadDim;

    public GuardedFloats Packed { get; }

    public GuardedFloats GradOutput { get; }

    public AttentionSegment[] Segments { get; }

    /// <summary>Where the keys and values of a sequence's position 0 lie.</summary>
    public (nint Keys, nint Values) RowZero(int sequence)
    {
        var (keys, values, stride) = Store;
        long first = Segments[sequence].KeyStart * stride;
        return ((keys + first).Address, (values + first).Address);
    }

    /// <summary>
    /// Runs the forward over the given segments (all of them by default) into poisoned buffers; over keys and values elsewhere
    /// than in the problem's own caches, if told so.
    /// </summary>
    public (GuardedFloats Output, GuardedFloats LogSumExp) Forward(
        Device device, AttentionSegment[]? some = null, nint keysElsewhere = 0, nint valuesElsewhere = 0)
    {
        var output = new GuardedFloats((long)Tokens * QueryWidth, misalignment: 3);
        var logSumExp = new GuardedFloats((long)Tokens * Shape.Heads, misalignment: 1);
        some ??= Segments;
        var (keys, values, stride) = Store;
        if (keysElsewhere != 0)
        {
            (keys, values) = (keys with { Address = keysElsewhere }, values with { Address = valuesElsewhere });
        }

        fixed (AttentionSegment* segments = some)
        {
            Attention.Forward(
                device,
                Shape,
                Packed.Pointer,
                Shape.PackedWidth,
                segments,
                AttentionBounds.Of(some),
                keys,
                values,
                stride,
                output.Pointer,
                QueryWidth,
                logSumExp.Pointer);
        }

        output.AssertGuardsIntact();
        logSumExp.AssertGuardsIntact();
        return (output, logSumExp);
    }

    /// <summary>Gradients packed like the projection: [tokens, (H + 2K)·E].</summary>
    public GuardedFloats Backward(Device device, GuardedFloats output, GuardedFloats logSumExp)
    {
        var gradient = new GuardedFloats((long)Tokens * Shape.PackedWidth, misalignment: 5);
        fixed (AttentionSegment* segments = Segments)
        {
            Attention.Backward(
                device,
                Shape,
                Packed.Pointer,
                Shape.PackedWidth,
                segments,
                AttentionBounds.Of(Segments),
                Store.Keys,
                Store.Values,
                Shape.PackedWidth,
                output.Pointer,
                GradOutput.Pointer,
                QueryWidth,
                logSumExp.Pointer,
                gradient.Pointer,
                gradient.Pointer + QueryWidth,
                gradient.Pointer + QueryWidth + KvWidth,
                Shape.PackedWidth);
        }

        gradient.AssertGuardsIntact();
        return gradient;
    }

    public (double[] Output, double[] LogSumExp) ForwardReference()
    {
        var output = new double[Tokens * QueryWidth];
        var logSumExp = new double[Tokens * Shape.Heads];
        for (int s = 0; s < Segments.Length; s++)
        {
            int row = Segments[s].QueryStart, count = Segments[s].QueryCount;
            Attention.ForwardReference(
                Shape,
                Columns(Packed, row, count, 0, QueryWidth),
                _keys[s],
                _values[s],
                output.AsSpan(row * QueryWidth, count * QueryWidth),
                logSumExp.AsSpan(row * Shape.Heads, count * Shape.Heads));
        }

        return (output, logSumExp);
    }

    public double[] BackwardReference()
    {
        var packed = new double[Tokens * Shape.PackedWidth];
        for (int s = 0; s < Segments.Length; s++)
        {
            int row = Segments[s].QueryStart, count = Segments[s].QueryCount;
            var queries = new double[count * QueryWidth];
            var keys = new double[count * KvWidth];
            var values = new double[count * KvWidth];
            var gradOutput = GradOutput.Span.Slice(row * QueryWidth, count * QueryWidth).ToArray().Select(x => (double)x).ToArray();
            var projected = Columns(Packed, row, count, 0, QueryWidth);
            Attention.BackwardReference(Shape, projected, _keys[s], _values[s], gradOutput, queries, keys, values);
            for (int i = 0; i < count; i++)
            {
                var target = packed.AsSpan((row + i) * Shape.PackedWidth, Shape.PackedWidth);
                queries.AsSpan(i * QueryWidth, QueryWidth).CopyTo(target);
                keys.AsSpan(i * KvWidth, KvWidth).CopyTo(target[QueryWidth..]);
                values.AsSpan(i * KvWidth, KvWidth).CopyTo(target[(QueryWidth + KvWidth)..]);
            }
        }

        return packed;
    }

    public void Dispose()
    {
        Packed.Dispose();
        GradOutput.Dispose();
        Array.ForEach(_caches, cache => cache.Dispose());
    }

    private (Elements Keys, Elements Values, long Stride) Store => CacheType is { } type
        ? (new Elements((nint)_caches[0].Pointer, type), new Elements((nint)_caches[1].Pointer, type), KvWidth)
        : (Elements.From(Packed.Pointer + QueryWidth), Elements.From(Packed.Pointer + QueryWidth + KvWidth), Shape.PackedWidth);

    private static GuardedFloats Random(long length, int seed, Func<CounterRandom, ulong, float>? number)
    {
        var buffer = new GuardedFloats(length, misalignment: 1);
        for (long i = 0; i < length; i++)
        {
            var random = new CounterRandom((ulong)seed, 0xA77E) { Counter = (ulong)i };
            buffer.Pointer[i] = number is null ? random.NextGaussian() : number(random, (ulong)i);
        }

        return buffer;
    }

    private void UsePacked(int s)
    {
        Assert.Equal(_sequences[s].Queries, _sequences[s].Keys);
        int row = Segments[s].QueryStart;
        _keys.Add(Columns(Packed, row, _sequences[s].Keys, QueryWidth, KvWidth));
        _values.Add(Columns(Packed, row, _sequences[s].Keys, QueryWidth + KvWidth, KvWidth));
    }

    /// <summary>The last rows of a cache are the step's own keys and values, as they are after the append.</summary>
    private void FillCaches(int s, DType type, Func<CounterRandom, ulong, float>? number)
    {
        var (queries, keys) = _sequences[s];
        for (int side = 0; side < 2; side++)
        {
            using var full = Random((long)keys * KvWidth, 10 + (2 * s) + side, number);
            for (int i = 0; i < queries; i++)
            {
                long source = ((long)(Segments[s].QueryStart + i) * Shape.PackedWidth) + QueryWidth + (side * KvWidth);
                new Span<float>(Packed.Pointer + source, KvWidth).CopyTo(full.Span[((keys - queries + i) * KvWidth)..]);
            }

            nint cache = side == 0 ? RowZero(s).Keys : RowZero(s).Values;
            var wide = new double[full.Length];
            for (int i = 0; i < full.Length; i++)
            {
                float value = full.Pointer[i];
                if (type == DType.F32)
                {
                    ((float*)cache)[i] = value;
                }
                else
                {
                    ((ushort*)cache)[i] = Bf16.Round(value);
                    value = Bf16.Widen(Bf16.Round(value));
                }

                wide[i] = value;
            }

            (side == 0 ? _keys : _values).Add(wide);
        }
    }

    private double[] Columns(GuardedFloats packed, int firstRow, int rows, int firstColumn, int columns)
    {
        var result = new double[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int c = 0; c < columns; c++)
            {
                result[(i * columns) + c] = packed.Pointer[((long)(firstRow + i) * Shape.PackedWidth) + firstColumn + c];
            }
        }

        return result;
    }
}
