using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Library;

/// <summary>One alternative for a whole layer: a mixer and a feed-forward.</summary>
/// <param name="Mixer">The mixer.</param>
/// <param name="FeedForward">The feed-forward.</param>
public sealed record BlockVariant(MixerConfiguration Mixer, FeedForwardConfiguration FeedForward)
{
    /// <summary>For instance <c>kv2 ffn128</c>.</summary>
    public string Label => $"{Mixer} {FeedForward}";

    /// <summary>The layer's configuration with this variant.</summary>
    public LayerConfiguration ToLayer() => new(Mixer, FeedForward);
}

/// <summary>
/// The alternatives of a layer, as in Puzzle section 1.1: KV heads halved down to 1, one linear map, or none; FFN widths of
/// 87, 75, 50, 25, 20 and 10 %, one linear map, or none. The parent's own halves come first; fewer heads and narrower
/// feed-forwards keep its window, biases and head norms.
/// </summary>
public static class VariantGrid
{
    /// <summary>Widths are multiples of this, so that a row of weights is whole vectors.</summary>
    private const int WidthGrain = 16;

    private static readonly int[] WidthPercents = [87, 75, 50, 25, 20, 10];

    /// <summary>All mixers to try in a layer whose mixer is <paramref name="parent"/>.</summary>
    public static IReadOnlyList<MixerConfiguration> Mixers(MixerConfiguration parent)
    {
        var variants = new List<MixerConfiguration> { parent };
        if (parent is AttentionConfiguration attention)
        {
            for (int heads = attention.KvHeadCount / 2; heads >= 1; heads /= 2)
            {
                if (attention.KvHeadCount % heads == 0)
                {
                    variants.Add(attention with { KvHeadCount = heads });
                }
            }

            variants.Add(new LinearMixerConfiguration());
        }

        if (parent is not NoMixerConfiguration)
        {
            variants.Add(new NoMixerConfiguration());
        }

        return variants;
    }

    /// <summary>All feed-forwards to try in a layer whose feed-forward is <paramref name="parent"/>.</summary>
    public static IReadOnlyList<FeedForwardConfiguration> FeedForwards(FeedForwardConfiguration parent)
    {
        var variants = new List<FeedForwardConfiguration> { parent };
        if (parent is SwiGluConfiguration swiGlu)
        {
            foreach (int percent in WidthPercents)
            {
                int width = WidthOf(swiGlu.Width, percent);
                var variant = swiGlu with { Width = width };
                if (width < swiGlu.Width && !variants.Contains(variant))
                {
                    variants.Add(variant);
                }
            }

            variants.Add(new LinearFeedForwardConfiguration());
        }

        if (parent is not NoFeedForwardConfiguration)
        {
            variants.Add(new NoFeedForwardConfiguration());
        }

        return variants;
    }

    /// <summary>A share of a width, in whole vectors.</summary>
    internal static int WidthOf(int parent, int percent) =>
        Math.Max(WidthGrain, (int)Math.Round(parent * percent / 100.0 / WidthGrain) * WidthGrain);

    /// <summary>Every pair of a mixer and a feed-forward; the parent's own layer comes first.</summary>
    public static IReadOnlyList<BlockVariant> Blocks(LayerConfiguration parent) =>
        [.. from mixer in Mixers(parent.Mixer)
            from feedForward in FeedForwards(parent.FeedForward)
            select new BlockVariant(mixer, feedForward)];
}
