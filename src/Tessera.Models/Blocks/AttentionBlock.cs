using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>
/// Grouped-query attention with rotary positions: one packed projection to queries, keys and values, causal attention
/// within each sequence, output projection. No biases.
/// </summary>
/// <param name="norm">Gain [1, hidden].</param>
/// <param name="projection">[(H + 2K)·E, hidden]: query, key and value rows.</param>
/// <param name="output">[hidden, H·E].</param>
/// <param name="shape">H, K and E.</param>
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

    /// <inheritdoc />
    public override IEnumerable<Parameter> Parameters => [Norm, projection, output];

    /// <inheritdoc />
    public override IEnumerable<WeightSlice> Slices(string prefix)
    {
        int queries = shape.Heads * shape.HeadDim;
        int keys = shape.KvHeads * shape.HeadDim;
        yield return WeightSlice.Vector(prefix + "input_layernorm.weight", Norm);
        yield return new WeightSlice(prefix + "self_attn.q_proj.weight", projection, 0, queries, false);
        yield return new WeightSlice(prefix + "self_attn.k_proj.weight", projection, queries, keys, false);
        yield return new WeightSlice(prefix + "self_attn.v_proj.weight", projection, queries + keys, keys, false);
        yield return WeightSlice.Matrix(prefix + "self_attn.o_proj.weight", output);
    }

    /// <inheritdoc />
    public override Tensor Apply(
        Executor executor, Tensor normalised, StepBatch step, KeyValueCache? cache, int layer, Tensor destination)
    {
        var qkv = executor.Linear(normalised, projection);
        executor.Rope(qkv, shape, step.Positions, rope);
        var spans = step.Spans;
        var segments = (AttentionSegment*)executor.Arena.Allocate(spans.Length * sizeof(AttentionSegment));
        var attended = cache is null
            ? AttendWithin(executor, qkv, spans, segments)
            : AttendCached(executor, qkv, spans, segments, cache, layer);
        return executor.Linear(attended, output, destination);
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
