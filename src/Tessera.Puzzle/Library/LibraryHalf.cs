using System.Globalization;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Library;

/// <summary>One half of one layer that the library holds beside the parent's own.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Mixer">The mixer, or null where it is a feed-forward.</param>
/// <param name="FeedForward">The feed-forward, or null where it is a mixer.</param>
public sealed record LibraryHalf(int Layer, MixerConfiguration? Mixer, FeedForwardConfiguration? FeedForward)
{
    /// <summary>Name within the layer; both kinds have a <c>linear</c>, so the kind is part of it.</summary>
    public string Label => Mixer is null ? $"ffn-{FeedForward}" : $"mixer-{Mixer}";

    /// <summary>Name of the job that makes it, and of its file.</summary>
    public string Job => string.Create(CultureInfo.InvariantCulture, $"layer{Layer:D3}.{Label}");

    /// <summary>Name of the job that orders the layer's channels.</summary>
    public string OrderJob => OrderJobOf(Layer);

    /// <summary>What the names of its parameters begin with.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"layers.{Layer}.{Label}");

    /// <summary>Name of the job that orders a layer's channels.</summary>
    public static string OrderJobOf(int layer) => string.Create(CultureInfo.InvariantCulture, $"layer{layer:D3}.channels");
}
