using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>
/// Grouped-query attention with rotary positions: one packed projection to queries, keys and values, causal attention
/// within each sequence and window, output projection. Biases and norms of query and key heads are there or not.
/// </summary>
/// <param name="norm">Gain [1, hidden].</param>
/// <param name="projection">[(H + 2K)·E, hidden]: query, key and value rows.</param>
/// <param name="output">[hidden, H·E].</param>
/// <param name="shape">H, K, E and the window.</param>
/// <param name="rope">Angles, shared by the model.</param>
public sealed unsafe class AttentionBlock(
    Parameter norm, Parameter projection, Parameter output, AttentionShape shape, RopeTable rope)
    : SubBlock(norm)
{
    /// <summary>Heads and widths.</summary>
    public AttentionShape Shape => shape;

    /// <summary>Query, key and value rows, [(H + 2K)·E, hidden].</summary>
    public Parameter Projection => projection;

    /// <summary>The output projection, [hidden, H·E].</summary>
    public Parameter Output => output;

    /// <summary>Bias of the packed projection and norms of its heads, or null for a bare projection.</summary>
    public QkvParameters? Qkv { get; init; }

    /// <summary>Bias of the output projection, [hidden, 1], or null.</summary>
    public Parameter? OutputBias { get; init; }

    /// <inheritdoc />
    public override IEnumerable<Parameter> Parameters =>
        [Norm, projection, .. Qkv?.Parameters ?? [], output, .. OutputBias is null ? [] : (Parameter[])[OutputBias]];

    /// <inheritdoc />
    public override IEnumerable<Parameter> Biases => ((Parameter?[])[Qkv?.Bias, OutputBias]).OfType<Parameter>();

    /// <inheritdoc />
    public override IEnumerable<WeightSlice> Slices(string prefix)
    {
        int queries = shape.Heads * shape.HeadDim;
        int keys = shape.KvHeads * shape.HeadDim;
        yield return WeightSlice.Vector(prefix + "input_layernorm.weight", Norm);
        string attention = prefix + "self_attn.";
        (string Name, int Start, int Rows)[] parts =
            [("q_proj", 0, queries), ("k_proj", queries, keys), ("v_proj", queries + keys, keys)];
        foreach (var (name, start, rows) in parts)
        {
            yield return new WeightSlice($"{attention}{name}.weight", projection, start, rows, false);
            if (Qkv?.Bias is { } bias)
            {
                yield return new WeightSlice($"{attention}{name}.bias", bias, start, rows, true);
            }
        }

        if (Qkv is { QueryGain: { } queryGain, KeyGain: { } keyGain })
        {
            yield return WeightSlice.Vector(attention + "q_norm.weight", queryGain);
            yield return WeightSlice.Vector(attention + "k_norm.weight", keyGain);
        }

        yield return WeightSlice.Matrix(attention + "o_proj.weight", output);
        if (OutputBias is not null)
        {
            yield return WeightSlice.Vector(attention + "o_proj.bias", OutputBias);
        }
    }

    /// <inheritdoc />
    public override Tensor Apply(
        Executor executor, Tensor normalised, StepBatch step, KeyValueCache? cache, int layer, Tensor destination)
    {
        var qkv = executor.Linear(normalised, projection);
        if (Qkv is null)
        {
            executor.Rope(qkv, shape, step.Positions, rope);
        }
        else
        {
            qkv = executor.FinishQkv(qkv, shape, Qkv, step.Positions, rope);
        }

        var spans = step.Spans;
        var segments = (AttentionSegment*)executor.Arena.Allocate(spans.Length * sizeof(AttentionSegment));
        var attended = cache is null
            ? AttendWithin(executor, qkv, spans, segments)
            : AttendCached(executor, qkv, spans, segments, cache, layer);
        var result = executor.Linear(attended, output, destination);
        return OutputBias is null ? result : executor.AddBias(result, OutputBias);
    }

    private Tensor AttendWithin(
        Executor executor, Tensor qkv, ReadOnlySpan<SequenceSpan> spans, AttentionSegment* segments)
    {
        int keyOffset = shape.Heads * shape.HeadDim;
        int valueOffset = keyOffset + (shape.KvHeads * shape.HeadDim);
        for (int i = 0; i < spans.Length; i++)
        {
            if (spans[i].Past != 0)
            {
                throw new InvalidOperationException($"a sequence continues at position {spans[i].Past} but there is no cache");
            }

            float* first = qkv.Data + ((long)spans[i].Start * qkv.Columns);
            segments[i] = new AttentionSegment
            {
                QueryStart = spans[i].Start,
                QueryCount = spans[i].Count,
                KeyCount = spans[i].Count,
                Keys = (nint)(first + keyOffset),
                Values = (nint)(first + valueOffset),
            };
        }

        return executor.Attention(qkv, shape, segments, spans.Length, DType.F32, qkv.Columns);
    }

    private Tensor AttendCached(
        Executor executor, Tensor qkv, ReadOnlySpan<SequenceSpan> spans, AttentionSegment* segments, KeyValueCache cache, int layer)
    {
        if (executor.Tape is not null)
        {
            throw new InvalidOperationException("a step over a cache cannot be recorded: gradients end at the cache's border");
        }

        int keyOffset = shape.Heads * shape.HeadDim;
        int width = shape.KvHeads * shape.HeadDim;
        for (int i = 0; i < spans.Length; i++)
        {
            var span = spans[i];
            cache.EnsureRoom(span.Slot, span.Count);
            var (keys, values, _, pages) = cache.Store(layer, span.Slot);
            float* first = qkv.Data + ((long)span.Start * qkv.Columns) + keyOffset;
            Store(executor.Device, first, qkv.Columns, span, cache.Type, keys, values, (int*)pages, width);
            segments[i] = new AttentionSegment
            {
                QueryStart = span.Start,
                QueryCount = span.Count,
                KeyCount = span.Past + span.Count,
                Keys = keys,
                Values = values,
                Pages = (int*)pages,
            };
        }

        return executor.Attention(qkv, shape, segments, spans.Length, cache.Type, width);
    }

    /// <summary>Writes a span's keys and values into its sequence's pages.</summary>
    private static void Store(
        Device device, float* keys, long stride, SequenceSpan span, DType type, nint keyBase, nint valueBase, int* pages, int width)
    {
        const int PagePositions = KeyValueCache.PagePositions;
        for (int done = 0; done < span.Count;)
        {
            int position = span.Past + done;
            int count = Math.Min(PagePositions - (position % PagePositions), span.Count - done);
            long row = ((long)pages[position / PagePositions] * PagePositions) + (position % PagePositions);
            nint offset = (nint)(row * width * type.Bytes());
            float* source = keys + (done * stride);
            KeyValueStore.Append(
                device, source, source + width, stride, count, type, keyBase + offset, valueBase + offset, width, width);
            done += count;
        }
    }
}
