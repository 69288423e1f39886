using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Fusion;

/// <summary>
/// Makes one attention of several that read the same input: Σ_j Attn_j(norm_j(X)), exactly up to rounding.
/// </summary>
/// <remarks>
/// Heads do not know of each other until the output projection adds them up, so query, key and value heads of all attentions stand one
/// behind the other, output columns side by side, biases of queries, keys and values one behind the other, those of the output are
/// added. The gains of the norms are multiplied into the columns of each one's projection; the joint norm has gains of 1. A layer has
/// one number of query heads to a KV head: where the attentions differ in it, KV heads are repeated down to their greatest common divisor.
/// </remarks>
internal static unsafe class AttentionFusion
{
    /// <summary>Shape of the joint attention of a run that <see cref="BlockWindows.Obstacle"/> lets pass.</summary>
    public static AttentionConfiguration Shape(ModelConfiguration model, FusionRun run)
    {
        var parts = Enumerable.Range(run.First, run.Count).Select(layer => (AttentionConfiguration)model.Layers[layer].Mixer).ToList();
        int group = parts.Select(part => part.Heads(model) / part.KvHeadCount).Aggregate(Divisor), heads = parts.Sum(part => part.Heads(model));
        return new AttentionConfiguration(heads / group)
        {
            QueryHeadCount = heads == model.HeadCount ? null : heads,
            Window = parts[0].Window,
            HasQkvBias = parts.Any(part => part.HasQkvBias),
            HasOutputBias = parts.Any(part => part.HasOutputBias),
        };
    }

    /// <summary>The joint attention, its weights in the factory's arena.</summary>
    /// <exception cref="ArgumentException">A weight is not f32.</exception>
    public static AttentionBlock Join(Decoder model, BlockFactory factory, AttentionConfiguration shape, FusionRun run)
    {
        var parts = Enumerable.Range(run.First, run.Count).Select(layer => (AttentionBlock)model.Layers[layer].Mixer!).ToList();
        FusedWeights.EnsureFloats(parts);
        var joint = (AttentionBlock)factory.Mixer(shape, $"layers.{run}.attention")!;
        joint.Norm.Write(0, 1, (_, to) => new Span<float>(to.Floats, to.Columns).Fill(1f));
        float[]? bias = joint.Qkv?.Bias is { } target ? new float[target.Rows] : null;
        int queries = 0, keys = 0;
        foreach (var part in parts)
        {
            var rows = Rows(part.Shape, joint.Shape, queries, keys).ToList();
            float[] gain = FusedWeights.Values(part.Norm);
            rows.ForEach(head => FusedWeights.FoldRows(part.Projection, head.From, joint.Projection, head.To, part.Shape.HeadDim, gain));
            if (part.Qkv?.Bias is { } own)
            {
                float[] values = FusedWeights.Values(own);
                rows.ForEach(head => values.AsSpan(head.From, part.Shape.HeadDim).CopyTo(bias.AsSpan(head.To)));
            }

            queries += part.Shape.Heads;
            keys += part.Shape.Heads / joint.Shape.GroupSize;
        }

        if (bias is not null)
        {
            FusedWeights.Store(bias, joint.Qkv!.Bias!);
        }

        FusedWeights.JoinColumns([.. parts.Select(part => part.Output)], joint.Output);
        if (joint.OutputBias is not null)
        {
            FusedWeights.Store(FusedWeights.Sum([.. parts.Select(part => part.OutputBias).OfType<Parameter>()], joint.OutputBias.Rows), joint.OutputBias);
        }

        return joint;
    }

    /// <summary>Where the rows of a part's heads go: query, key and value heads, of the latter two every one as often as it is repeated.</summary>
    private static IEnumerable<(int From, int To)> Rows(AttentionShape part, AttentionShape joint, int queries, int keys)
    {
        for (int head = 0; head < part.Heads; head++)
        {
            yield return (head * part.HeadDim, (queries + head) * part.HeadDim);
        }

        int repeat = part.GroupSize / joint.GroupSize;
        for (int kind = 0; kind < 2; kind++)
        {
            for (int head = 0; head < part.KvHeads * repeat; head++)
            {
                yield return (
                    (part.Heads + (kind * part.KvHeads) + (head / repeat)) * part.HeadDim,
                    (joint.Heads + (kind * joint.KvHeads) + keys + head) * part.HeadDim);
            }
        }
    }

    private static int Divisor(int left, int right) => right == 0 ? left : Divisor(right, left % right);
}
