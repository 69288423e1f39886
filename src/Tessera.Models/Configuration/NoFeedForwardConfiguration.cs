namespace Tessera.Models.Configuration;

/// <summary>No feed-forward and no norm: the residual stream passes unchanged.</summary>
public sealed record NoFeedForwardConfiguration : FeedForwardConfiguration
{
    /// <inheritdoc />
    public override long ParameterCount(ModelConfiguration model) => 0;

    /// <inheritdoc />
    public override double FlopsPerToken(ModelConfiguration model) => 0;

    /// <inheritdoc />
    public override string ToString() => "none";
}
