namespace Tessera.Models.Configuration;

/// <summary>Attention replaced by one linear map [h, h] of the normalised token.</summary>
public sealed record LinearMixerConfiguration : MixerConfiguration
{
    /// <inheritdoc />
    public override long ParameterCount(ModelConfiguration model) => ((long)model.HiddenSize * model.HiddenSize) + model.HiddenSize;

    /// <inheritdoc />
    public override long KvElementsPerToken(ModelConfiguration model) => 0;

    /// <inheritdoc />
    public override double FlopsPerToken(ModelConfiguration model, int contextLength) => 2.0 * model.HiddenSize * model.HiddenSize;

    /// <inheritdoc />
    public override string ToString() => "linear";
}
