namespace Tessera.Models.Configuration;

/// <summary>The half of a layer that looks at other tokens. Its costs depend on the model's hidden size and heads.</summary>
public abstract record MixerConfiguration
{
    /// <summary>Parameters, the half's own norm included; zero where the half is absent.</summary>
    public abstract long ParameterCount(ModelConfiguration model);

    /// <summary>Key and value elements that the cache keeps for each token of a sequence.</summary>
    public abstract long KvElementsPerToken(ModelConfiguration model);

    /// <summary>Forward FLOPs for one token that attends to <paramref name="contextLength"/> tokens, 2 a multiply-add.</summary>
    public abstract double FlopsPerToken(ModelConfiguration model, int contextLength);
}
