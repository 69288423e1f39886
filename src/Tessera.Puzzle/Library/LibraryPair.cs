using System.Globalization;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Library;

/// <summary>A mixer and a feed-forward of one layer that are trained as one block.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Block">Both halves.</param>
public sealed record LibraryPair(int Layer, BlockVariant Block)
{
    /// <summary>Name of the job that makes it, and of its file.</summary>
    public string Job => string.Create(CultureInfo.InvariantCulture, $"layer{Layer:D3}.{Block.Mixer}.{Block.FeedForward}");

    /// <summary>What the names of the mixer's parameters begin with.</summary>
    public string MixerName => string.Create(CultureInfo.InvariantCulture, $"layers.{Layer}.mixer-{Block.Mixer}");

    /// <summary>What the names of the feed-forward's parameters begin with.</summary>
    public string FeedForwardName => string.Create(CultureInfo.InvariantCulture, $"layers.{Layer}.ffn-{Block.FeedForward}");

    /// <summary>The pairs of a layer's variants that have something to learn: all but the parent's own block and the absent layer.</summary>
    /// <param name="parent">The parent's shape.</param>
    /// <param name="variants">Variants by layer.</param>
    public static IReadOnlyList<LibraryPair> Of(ModelConfiguration parent, IReadOnlyList<IReadOnlyList<BlockVariant>> variants) =>
    [
        .. variants.SelectMany((layer, index) => layer.Where(block => block.ToLayer() != parent.Layers[index]
            && block is not { Mixer: NoMixerConfiguration, FeedForward: NoFeedForwardConfiguration })
            .Select(block => new LibraryPair(index, block))),
    ];
}
