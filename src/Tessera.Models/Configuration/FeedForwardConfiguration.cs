namespace Tessera.Models.Configuration;

/// <summary>The half of a layer that works within each token. Its costs depend on the model's hidden size.</summary>
public abstract record FeedForwardConfiguration
{
    /// <summary>Parameters, the half's own norm included; zero where the half is absent.</summary>
    public abstract long ParameterCount(ModelConfiguration model);

    /// <summary>Forward FLOPs for one token, 2 a multiply-add.</summary>
    public abstract double FlopsPerToken(ModelConfiguration model);
}
