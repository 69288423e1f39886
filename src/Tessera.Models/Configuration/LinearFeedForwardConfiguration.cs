namespace Tessera.Models.Configuration;

/// <summary>The feed-forward replaced by one linear map [h, h] of the normalised token.</summary>
public sealed record LinearFeedForwardConfiguration : FeedForwardConfiguration
{
    /// <inheritdoc />
    public override long ParameterCount(ModelConfiguration model) => ((long)model.HiddenSize * model.HiddenSize) + model.HiddenSize;

    /// <inheritdoc />
    public override double FlopsPerToken(ModelConfiguration model) => 2.0 * model.HiddenSize * model.HiddenSize;

    /// <inheritdoc />
    public override string ToString() => "linear";
}
