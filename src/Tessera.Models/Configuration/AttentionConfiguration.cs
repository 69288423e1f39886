namespace Tessera.Models.Configuration;

/// <summary>Causal attention with grouped keys and values.</summary>
/// <param name="KvHeadCount">Key and value heads K; divides the model's query heads.</param>
public sealed record AttentionConfiguration(int KvHeadCount) : MixerConfiguration
{
    /// <summary>Query and output [heads·d, h], key and value [K·d, h], norm [h].</summary>
    public override long ParameterCount(ModelConfiguration model) => MatrixElements(model) + model.HiddenSize;

    /// <inheritdoc />
    public override long KvElementsPerToken(ModelConfiguration model) => 2L * KvHeadCount * model.HeadDim;

    /// <summary>The four projections, and scores and weighted sum: 4·heads·d for each attended token.</summary>
    public override double FlopsPerToken(ModelConfiguration model, int contextLength) =>
        (2.0 * MatrixElements(model)) + (4.0 * model.HeadCount * model.HeadDim * contextLength);

    /// <inheritdoc />
    public override string ToString() => $"kv{KvHeadCount}";

    private long MatrixElements(ModelConfiguration model) =>
        2L * (model.HeadCount + KvHeadCount) * model.HeadDim * model.HiddenSize;
}
