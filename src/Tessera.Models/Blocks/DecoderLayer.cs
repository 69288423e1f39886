using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>An optional mixer and an optional feed-forward. Layers are immutable; a child model swaps whole sub-blocks.</summary>
/// <param name="Mixer">Attention, a linear map, or nothing.</param>
/// <param name="FeedForward">SwiGLU, a linear map, or nothing.</param>
public sealed record DecoderLayer(SubBlock? Mixer, SubBlock? FeedForward)
{
    /// <summary>All weights of the layer.</summary>
    public IEnumerable<Parameter> Parameters => (Mixer?.Parameters ?? []).Concat(FeedForward?.Parameters ?? []);
}
