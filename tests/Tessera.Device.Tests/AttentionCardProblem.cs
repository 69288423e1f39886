using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

/// <summary>How keys and values lie.</summary>
public enum KeyLayout
{
    /// <summary>As columns of the packed projection.</summary>
    Packed,

    /// <summary>One position behind the other in a store of their own.</summary>
    Rows,

    /// <summary>In pages of 64 positions that are scattered over a store.</summary>
    Pages,
}

/// <summary>A step of several sequences with random numbers in a card's memory, and its answer by the scalar reference.</summary>
internal sealed unsafe class AttentionCardProblem : IDisposable
{
    /// <summary>Rows of the step before the first sequence, which no kernel may touch.</summary>
    private const int FreeRows = 1;

    private readonly CudaDevice _device;
    private readonly (int Queries, int Keys)[] _sequences;
    private readonly Arena _arena;
    private readonly double[][] _queries;
    private readonly double[][] _keys;
    private readonly double[][] _values;
    private readonly DeviceBuffer? _keyStore;
    private readonly DeviceBuffer? _valueStore;
    private readonly int _spread;

    /// <param name="device">Where.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="sequences">Queries and keys of each sequence; rows follow each other.</param>
    /// <param name="type">Of queries, outputs and gradients.</param>
    /// <param name="layout">Where keys and values lie.</param>
    /// <param name="keyValueType">Of keys and values in a store of their own.</param>
    /// <param name="spread">Elements between rows of the projection, of outputs and of stores: they decide how rows are aligned.</param>
    /// <param name="seed">Of the numbers.</param>
    public AttentionCardProblem(
        CudaDevice device,
        AttentionShape shape,
        (int Queries, int Keys)[] sequences,
        DType type,
        KeyLayout layout = KeyLayout.Packed,
        DType keyValueType = DType.F32,
        int spread = 0,
        int seed = 1)
    {
        (_device, Shape, _sequences, Type, _spread) = (device, shape, sequences, type, spread);
        _arena = device.CreateArena("attention problem");
        Rows = sequences.Sum(s => s.Queries) + (2 * FreeRows);
        Packed = DeviceBuffer.Random(device, type, (long)Rows * PackedStride, seed);
        GradOutput = DeviceBuffer.Random(device, type, (long)Rows * OutputStride, seed + 1);
        double[] packed = Packed.ReadWide();
        int queryWidth = shape.Heads * shape.HeadDim, kvWidth = shape.KvHeads * shape.HeadDim;
        var starts = sequences.Select((_, s) => FreeRows + sequences.Take(s).Sum(other => other.Queries)).ToArray();
        _queries = [.. sequences.Select((s, i) => Columns(packed, PackedStride, starts[i], s.Queries, 0, queryWidth))];
        Segments = [.. sequences.Select((s, i) =>
            new AttentionSegment { QueryStart = starts[i], QueryCount = s.Queries, KeyCount = s.Keys, KeyStart = starts[i] })];
        if (layout == KeyLayout.Packed)
        {
            _keys = [.. sequences.Select((s, i) => Columns(packed, PackedStride, starts[i], s.Keys, queryWidth, kvWidth))];
            _values = [.. sequences.Select((s, i) => Columns(packed, PackedStride, starts[i], s.Keys, queryWidth + kvWidth, kvWidth))];
            return;
        }

        var positions = Place(layout == KeyLayout.Pages, out int storeRows);
        (_keyStore, _keys) = Store(positions, storeRows, keyValueType, seed + 2);
        (_valueStore, _values) = Store(positions, storeRows, keyValueType, seed + 3);
    }

    public AttentionShape Shape { get; }

    public DType Type { get; }

    /// <summary>Rows of the step, with those that belong to no sequence.</summary>
    public int Rows { get; }

    public DeviceBuffer Packed { get; }

    public DeviceBuffer GradOutput { get; }

    public AttentionSegment[] Segments { get; }

    public int PackedStride => Shape.PackedWidth + _spread;

    public int OutputStride => (Shape.Heads * Shape.HeadDim) + _spread;

    public int StoreStride => (Shape.KvHeads * Shape.HeadDim) + _spread;

    /// <summary>Runs the forward into poisoned memory; the log-sum-exp is null unless it is asked for.</summary>
    public (float[] Output, float[]? LogSumExp) Forward(
        bool logSumExp = false, bool invariant = false, AttentionSegment[]? some = null, int longestKeys = 0)
    {
        using var output = new DeviceBuffer(_device, Type, (long)Rows * OutputStride);
        using var logSums = new DeviceBuffer(_device, DType.F32, (long)Rows * Shape.Heads);
        some ??= Segments;
        Forward(output, logSumExp ? (float*)logSums.Address : null, Uploaded(some), Bounds(some, invariant, longestKeys));
        return (output.Read(), logSumExp ? logSums.Read() : null);
    }

    /// <summary>The forward as a graph that was captured, launched into poisoned memory.</summary>
    public float[] ForwardCaptured(int longestKeys)
    {
        using var output = new DeviceBuffer(_device, Type, (long)Rows * OutputStride);
        using var eager = new DeviceBuffer(_device, Type, (long)Rows * OutputStride);
        var segments = Uploaded(Segments);
        var bounds = Bounds(Segments, invariant: false, longestKeys);
        Forward(eager, null, segments, bounds);
        using var graph = CudaGraph.Capture(_device, () => Forward(output, null, segments, bounds));
        Assert.True(Array.TrueForAll(output.Read(), float.IsNaN), "capturing ran the kernels");
        graph.Launch();
        return output.Read();
    }

    /// <summary>Gradients packed like the projection, into poisoned memory.</summary>
    public float[] Backward()
    {
        using var output = new DeviceBuffer(_device, Type, (long)Rows * OutputStride);
        using var logSums = new DeviceBuffer(_device, DType.F32, (long)Rows * Shape.Heads);
        using var gradient = new DeviceBuffer(_device, Type, (long)Rows * PackedStride);
        var segments = Uploaded(Segments);
        var bounds = Bounds(Segments, invariant: false, 0);
        Forward(output, (float*)logSums.Address, segments, bounds);
        long keys = (long)Shape.Heads * Shape.HeadDim, values = keys + ((long)Shape.KvHeads * Shape.HeadDim);
        Attention.Backward(
            _device, Shape, Packed.Elements, PackedStride, segments, bounds, Packed.Elements + keys,
            Packed.Elements + values, PackedStride, output.Elements, GradOutput.Elements, OutputStride, (float*)logSums.Address,
            gradient.Elements, gradient.Elements + keys, gradient.Elements + values, PackedStride);
        return gradient.Read();
    }

    /// <summary>Output [rows, stride] and log-sum-exp [rows, H] in double; NaN where nothing is to be written.</summary>
    public (double[] Output, double[] LogSumExp) ForwardReference()
    {
        int width = Shape.Heads * Shape.HeadDim;
        double[] output = Untouched(Rows * OutputStride), logSums = Untouched(Rows * Shape.Heads);
        for (int s = 0; s < _sequences.Length; s++)
        {
            int count = _sequences[s].Queries;
            double[] own = new double[count * width];
            Attention.ForwardReference(
                Shape, _queries[s], _keys[s], _values[s], own, logSums.AsSpan(Segments[s].QueryStart * Shape.Heads, count * Shape.Heads));
            Spread(own, width, output, OutputStride, Segments[s].QueryStart, 0);
        }

        return (output, logSums);
    }

    /// <summary>Gradients of queries, keys and values, [rows, stride] in double; NaN where nothing is to be written.</summary>
    public double[] BackwardReference()
    {
        int width = Shape.Heads * Shape.HeadDim, kvWidth = Shape.KvHeads * Shape.HeadDim;
        double[] gradient = Untouched(Rows * PackedStride), gradOutput = GradOutput.ReadWide();
        for (int s = 0; s < _sequences.Length; s++)
        {
            int count = _sequences[s].Queries, start = Segments[s].QueryStart;
            double[] queries = new double[count * width], keys = new double[count * kvWidth], values = new double[count * kvWidth];
            Attention.BackwardReference(
                Shape, _queries[s], _keys[s], _values[s], Columns(gradOutput, OutputStride, start, count, 0, width), queries, keys, values);
            Spread(queries, width, gradient, PackedStride, start, 0);
            Spread(keys, kvWidth, gradient, PackedStride, start, width);
            Spread(values, kvWidth, gradient, PackedStride, start, width + kvWidth);
        }

        return gradient;
    }

    public void Dispose()
    {
        _device.Synchronize();
        _arena.Dispose();
        Packed.Dispose();
        GradOutput.Dispose();
        _keyStore?.Dispose();
        _valueStore?.Dispose();
    }

    private static AttentionBounds Bounds(AttentionSegment[] segments, bool invariant, int longestKeys)
    {
        var bounds = AttentionBounds.Of(segments);
        return bounds with { IsInvariant = invariant, LongestKeys = Math.Max(bounds.LongestKeys, longestKeys) };
    }

    private static double[] Untouched(int length)
    {
        double[] values = new double[length];
        Array.Fill(values, double.NaN);
        return values;
    }

    private static void Spread(double[] source, int width, double[] target, int stride, int firstRow, int firstColumn)
    {
        for (int i = 0; i < source.Length; i++)
        {
            target[((firstRow + (i / width)) * stride) + firstColumn + (i % width)] = source[i];
        }
    }

    private static double[] Columns(double[] rows, int stride, int firstRow, int count, int firstColumn, int width)
    {
        double[] result = new double[count * width];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = rows[((firstRow + (i / width)) * stride) + firstColumn + (i % width)];
        }

        return result;
    }

    private void Forward(DeviceBuffer output, float* logSumExp, AttentionSegment* segments, in AttentionBounds bounds)
    {
        long columns = (long)Shape.Heads * Shape.HeadDim;
        var keys = _keyStore?.Elements ?? (Packed.Elements + columns);
        var values = _valueStore?.Elements ?? (Packed.Elements + columns + ((long)Shape.KvHeads * Shape.HeadDim));
        Attention.Forward(
            _device, Shape, Packed.Elements, PackedStride, segments, bounds, keys, values,
            _keyStore is null ? PackedStride : StoreStride, output.Elements, OutputStride, logSumExp);
    }

    private AttentionSegment* Uploaded(AttentionSegment[] segments)
    {
        nint address = _arena.Allocate((long)segments.Length * sizeof(AttentionSegment));
        _device.Upload<AttentionSegment>(segments, address);
        return (AttentionSegment*)address;
    }

    /// <summary>Gives every position of every sequence a row of the store.</summary>
    private int[][] Place(bool paged, out int rows)
    {
        const int Page = AttentionSegment.PagePositions;
        int[][] positions = new int[_sequences.Length][];
        int nextPage = 0;
        for (int s = 0; s < _sequences.Length; s++)
        {
            int keys = _sequences[s].Keys, count = (keys + Page - 1) / Page, first = nextPage;

            // Page i of a sequence goes where page 7·i + 3 would be, modulo a prime: neither in order nor side by side.
            int prime = new[] { 2, 3, 5, 11, 13, 17, 31, 61, 127 }.First(p => p > count);
            int[] pages = [.. Enumerable.Range(0, count).Select(i => first + (((7 * i) + 3) % prime))];
            Segments[s].KeyStart = (first * Page) + 3;
            positions[s] = [.. Enumerable.Range(0, keys).Select(j => paged ? (pages[j / Page] * Page) + (j % Page) : (first * Page) + 3 + j)];
            nextPage += prime + 1;
            if (paged)
            {
                nint table = _arena.Allocate(pages.Length * sizeof(int));
                _device.Upload<int>(pages, table);
                Segments[s].Pages = (int*)table;
                Segments[s].KeyStart = -1L << 40;
            }
        }

        rows = nextPage * Page;
        return positions;
    }

    /// <summary>Random keys or values where they belong, NaN elsewhere.</summary>
    private (DeviceBuffer Store, double[][] Numbers) Store(int[][] positions, int rows, DType type, int seed)
    {
        int width = Shape.KvHeads * Shape.HeadDim;
        float[] store = new float[(long)rows * StoreStride];
        Array.Fill(store, float.NaN);
        double[][] numbers = new double[positions.Length][];
        for (int s = 0; s < positions.Length; s++)
        {
            float[] values = DeviceBuffer.Gaussians((long)positions[s].Length * width, (100 * seed) + s);
            numbers[s] = new double[values.Length];
            for (int i = 0; i < values.Length; i++)
            {
                float value = type == DType.BF16 ? Bf16.Widen(Bf16.Round(values[i])) : values[i];
                numbers[s][i] = value;
                store[((long)positions[s][i / width] * StoreStride) + (i % width)] = value;
            }
        }

        return (DeviceBuffer.From(_device, type, store), numbers);
    }
}
