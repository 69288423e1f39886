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

    private static IEnumerable<ExpectedTensor> Mixer(ModelConfiguration model, string prefix, MixerConfiguration mixer)
    {
        long hidden = model.HiddenSize;
        var norm = new ExpectedTensor(prefix + "input_layernorm.weight", [hidden]);
        return mixer switch
        {
            AttentionConfiguration attention => [norm, .. Attention(model, prefix + "self_attn.", attention)],
            LinearMixerConfiguration => [norm, new(prefix + "self_attn.linear_attn.weight", [hidden, hidden])],
            _ => [],
        };
    }

    private static IEnumerable<ExpectedTensor> Attention(ModelConfiguration model, string prefix, AttentionConfiguration attention)
    {
        long hidden = model.HiddenSize;
        long queries = (long)attention.Heads(model) * model.HeadDim, keys = (long)attention.KvHeadCount * model.HeadDim;
        return
        [
            .. Projection(prefix + "q_proj", queries, hidden, attention.HasQkvBias),
            .. Projection(prefix + "k_proj", keys, hidden, attention.HasQkvBias),
            .. Projection(prefix + "v_proj", keys, hidden, attention.HasQkvBias),
            .. attention.HasHeadNorms
                ? (ExpectedTensor[])[new(prefix + "q_norm.weight", [model.HeadDim]), new(prefix + "k_norm.weight", [model.HeadDim])]
                : [],
            .. Projection(prefix + "o_proj", hidden, queries, attention.HasOutputBias),
        ];
    }

    private static IEnumerable<ExpectedTensor> FeedForward(string prefix, FeedForwardConfiguration feedForward, long hidden)
    {
        var norm = new ExpectedTensor(prefix + "post_attention_layernorm.weight", [hidden]);
        return feedForward switch
        {
            SwiGluConfiguration swiGlu =>
            [
                norm,
                .. Projection(prefix + "mlp.gate_proj", swiGlu.Width, hidden, swiGlu.HasBias),
                .. Projection(prefix + "mlp.up_proj", swiGlu.Width, hidden, swiGlu.HasBias),
                .. Projection(prefix + "mlp.down_proj", hidden, swiGlu.Width, swiGlu.HasBias),
            ],
            LinearFeedForwardConfiguration => [norm, new(prefix + "mlp.linear_mlp.weight", [hidden, hidden])],
            _ => [],
        };
    }

    private static IEnumerable<ExpectedTensor> Projection(string name, long outputs, long inputs, bool hasBias)
    {
        yield return new ExpectedTensor(name + ".weight", [outputs, inputs]);
        if (hasBias)
        {
            yield return new ExpectedTensor(name + ".bias", [outputs]);
        }
    }
}
