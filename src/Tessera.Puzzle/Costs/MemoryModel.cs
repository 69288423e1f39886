using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Costs;

/// <summary>
/// Bytes of a model where it serves a load: weights once, keys and values for every sequence that has room in the cache.
/// </summary>
/// <remarks>
/// <code>
/// weights of a half  = parameters · bytes(weights), its norm included
/// KV of a half       = 2 · KV heads · head dimension · bytes(kv) · positions · (batch + queued prompts)
/// model              = Σ halves + embedding + head (once where tied) + final norm
/// </code>
/// The head dimension is the model's own, not hidden / heads. Activations are not counted. Source: Bercovich et al. 2024 (Puzzle)
/// section 4.1; the queued prompts are those of Model-Optimizer's cost model, prompts that are read while a full batch generates.
/// </remarks>
public sealed record MemoryModel
{
    /// <summary>Storage of weights.</summary>
    public required StorageFormat Weights { get; init; }

    /// <summary>Storage of norms' gains; as other weights unless it is given.</summary>
    public StorageFormat? Gains { get; init; }

    /// <summary>Storage of keys and values.</summary>
    public required StorageFormat KeysAndValues { get; init; }

    /// <summary>Sequences that generate at a time.</summary>
    public required int Batch { get; init; }

    /// <summary>Further sequences whose prompts already take room in the cache.</summary>
    public int QueuedPrompts { get; init; }

    /// <summary>Positions that each sequence's room has: prompt and generated tokens.</summary>
    public required int Positions { get; init; }

    /// <summary>Positions of the whole cache: positions · (batch + queued prompts).</summary>
    public long CachedPositions => (long)Positions * (Batch + QueuedPrompts);

    /// <summary>Bytes of weights of which some are gains.</summary>
    /// <param name="parameters">All parameters.</param>
    /// <param name="gains">Those among them that are gains of norms.</param>
    public double WeightBytes(long parameters, long gains) =>
        ((parameters - gains) * Weights.BytesPerElement) + (gains * (Gains ?? Weights).BytesPerElement);

    /// <summary>Bytes of keys and values in the whole cache.</summary>
    /// <param name="elementsPerToken">2 · KV heads · head dimension.</param>
    public double KvBytes(long elementsPerToken) => elementsPerToken * KeysAndValues.BytesPerElement * CachedPositions;

    /// <summary>Bytes of a mixer: weights, norm, keys and values.</summary>
    public double Bytes(ModelConfiguration model, MixerConfiguration mixer) =>
        WeightBytes(mixer.ParameterCount(model), GainsOf(mixer, model)) + KvBytes(mixer.KvElementsPerToken(model));

    /// <summary>Bytes of a feed-forward: weights and norm.</summary>
    public double Bytes(ModelConfiguration model, FeedForwardConfiguration feedForward) =>
        WeightBytes(feedForward.ParameterCount(model), feedForward is NoFeedForwardConfiguration ? 0 : model.HiddenSize);

    /// <summary>Bytes outside the layers: embedding, head unless it is the embedding, final norm.</summary>
    public double BaseBytes(ModelConfiguration model) =>
        WeightBytes((model with { Layers = [] }).ParameterCount, model.HiddenSize);

    /// <summary>Bytes of all layers and of what is outside them.</summary>
    public double Bytes(ModelConfiguration model) =>
        BaseBytes(model) + model.Layers.Sum(layer => Bytes(model, layer.Mixer) + Bytes(model, layer.FeedForward));

    private static long GainsOf(MixerConfiguration mixer, ModelConfiguration model) => mixer switch
    {
        NoMixerConfiguration => 0,
        AttentionConfiguration { HasHeadNorms: true } => model.HiddenSize + (2L * model.HeadDim),
        _ => model.HiddenSize,
    };
}
