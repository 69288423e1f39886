namespace Tessera.Models.Configuration;

/// <summary>No mixer and no norm: the residual stream passes unchanged.</summary>
public sealed record NoMixerConfiguration : MixerConfiguration
{
    /// <inheritdoc />
    public override long ParameterCount(ModelConfiguration model) => 0;

    /// <inheritdoc />
    public override long KvElementsPerToken(ModelConfiguration model) => 0;

    /// <inheritdoc />
    public override double FlopsPerToken(ModelConfiguration model, int contextLength) => 0;

    /// <inheritdoc />
    public override string ToString() => "none";
}
