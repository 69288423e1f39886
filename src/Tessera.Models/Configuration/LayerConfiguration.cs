namespace Tessera.Models.Configuration;

/// <summary>One layer: a mixer over tokens, then a feed-forward within each token; either may be absent.</summary>
/// <param name="Mixer">Attention, one linear map, or nothing.</param>
/// <param name="FeedForward">SwiGLU, one linear map, or nothing.</param>
public sealed record LayerConfiguration(MixerConfiguration Mixer, FeedForwardConfiguration FeedForward)
{
    /// <summary>The label of reports, for example <c>kv8 ffn14336</c>.</summary>
    public override string ToString() => $"{Mixer} {FeedForward}";
}
