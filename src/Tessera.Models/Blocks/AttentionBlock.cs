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

        var attended = cache is null
            ? executor.Attention(qkv, shape, step.Segments, step.Bounds)
            : AttendCached(executor, qkv, cache, layer);
        var result = executor.Linear(attended, output, destination);
        return OutputBias is null ? result : executor.AddBias(result, OutputBias);
    }

    private Tensor AttendCached(Executor executor, Tensor qkv, KeyValueCache cache, int layer)
    {
        int queries = shape.Heads * shape.HeadDim, width = shape.KvHeads * shape.HeadDim;
        var (keys, values) = cache.Store(layer);
        var newKeys = qkv.Data + queries;
        KeyValueStore.Append(
            executor.Device, newKeys, newKeys + width, qkv.Columns, cache.Segments, cache.Bounds, keys, values, width, width);
        return executor.CachedAttention(qkv, shape, cache.Segments, cache.Bounds, keys, values);
    }
}
