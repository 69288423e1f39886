using Tessera.Models.Configuration;

namespace Tessera.Models.Checkpoints;

/// <summary>A tensor that a configuration asks for.</summary>
/// <param name="Name">Name in the checkpoint.</param>
/// <param name="Shape">Sizes, slowest first.</param>
public sealed record ExpectedTensor(string Name, long[] Shape);

/// <summary>What a checkpoint must hold, known from the configuration alone, so nothing is allocated.</summary>
public static class ExpectedTensors
{
    /// <summary>All tensors in the order of <see cref="WeightMap.Slices"/>; a tied head is not among them.</summary>
    public static IEnumerable<ExpectedTensor> Of(ModelConfiguration model)
    {
        long hidden = model.HiddenSize;
        yield return new ExpectedTensor(WeightMap.Embedding, [model.VocabularySize, hidden]);
        for (int i = 0; i < model.Layers.Length; i++)
        {
            string prefix = $"model.layers.{i}.";
            foreach (ExpectedTensor tensor in Mixer(model, prefix, model.Layers[i].Mixer).Concat(FeedForward(prefix, model.Layers[i].FeedForward, hidden)))
            {
                yield return tensor;
            }
        }

        yield return new ExpectedTensor("model.norm.weight", [hidden]);
        if (!model.TieEmbeddings)
        {
            yield return new ExpectedTensor(WeightMap.Head, [model.VocabularySize, hidden]);
        }
    }

    private static List<ExpectedTensor> Mixer(ModelConfiguration model, string prefix, MixerConfiguration mixer)
    {
        long hidden = model.HiddenSize;
        long queries = (long)model.HeadCount * model.HeadDim;
        var norm = new ExpectedTensor(prefix + "input_layernorm.weight", [hidden]);
        return mixer switch
        {
            AttentionConfiguration attention =>
            [
                norm,
                new(prefix + "self_attn.q_proj.weight", [queries, hidden]),
                new(prefix + "self_attn.k_proj.weight", [(long)attention.KvHeadCount * model.HeadDim, hidden]),
                new(prefix + "self_attn.v_proj.weight", [(long)attention.KvHeadCount * model.HeadDim, hidden]),
                new(prefix + "self_attn.o_proj.weight", [hidden, queries]),
            ],
            LinearMixerConfiguration => [norm, new(prefix + "self_attn.linear_attn.weight", [hidden, hidden])],
            _ => [],
        };
    }

    private static List<ExpectedTensor> FeedForward(string prefix, FeedForwardConfiguration feedForward, long hidden)
    {
        var norm = new ExpectedTensor(prefix + "post_attention_layernorm.weight", [hidden]);
        return feedForward switch
        {
            SwiGluConfiguration swiGlu =>
            [
                norm,
                new(prefix + "mlp.gate_proj.weight", [swiGlu.Width, hidden]),
                new(prefix + "mlp.up_proj.weight", [swiGlu.Width, hidden]),
                new(prefix + "mlp.down_proj.weight", [hidden, swiGlu.Width]),
            ],
            LinearFeedForwardConfiguration => [norm, new(prefix + "mlp.linear_mlp.weight", [hidden, hidden])],
            _ => [],
        };
    }
}
