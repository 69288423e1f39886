using Tessera.Models;

namespace Tessera.Puzzle.Fusion;

/// <summary>A model with fused layers, which shares all others with the model that it was made from.</summary>
/// <param name="Model">The shorter model.</param>
/// <param name="LayerMap">For every layer of it the layer of the original after which the stream is meant to be the same.</param>
public sealed record FusedModel(Decoder Model, IReadOnlyList<int> LayerMap) : IDisposable
{
    /// <inheritdoc />
    public void Dispose() => Model.Dispose();
}
