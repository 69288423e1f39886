using System.Globalization;
using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Library;

/// <summary>
/// Which halves of the <see cref="VariantGrid"/> a compression tries: all of them, or those that are named. The parent's own are always
/// among them.
/// </summary>
/// <remarks>
/// <code>
/// variants    = kind { " " kind }
/// kind        = ("attention" | "ffn") ":" half { "," half }      a kind that is not named is tried whole
/// half        = "parent" | "linear" | "none"
///             | "kv" number                                      key and value heads
///             | number "%" | "ffn" number                        width, as a share of the parent's or in channels
/// </code>
/// A layer gets those that can be made from its own halves; one that no layer can have is an error.
/// </remarks>
public sealed class TriedVariants
{
    private const string Form = "expected for instance \"attention:parent,kv4,none ffn:parent,75%,50%,none\"";

    private readonly IReadOnlyList<string>? _mixers;
    private readonly IReadOnlyList<string>? _feedForwards;

    private TriedVariants(string text, IReadOnlyList<string>? mixers, IReadOnlyList<string>? feedForwards) =>
        (Text, _mixers, _feedForwards) = (text, mixers, feedForwards);

    /// <summary>The whole grid.</summary>
    public static TriedVariants All { get; } = new(string.Empty, null, null);

    /// <summary>As written; empty for all.</summary>
    public string Text { get; }

    /// <summary>Whether nothing was chosen.</summary>
    public bool IsAll => _mixers is null && _feedForwards is null;

    /// <summary>Reads a choice and holds it against a parent.</summary>
    /// <param name="text">As a person writes it.</param>
    /// <param name="field">Named in messages.</param>
    /// <param name="parent">The model whose variants are meant.</param>
    /// <exception cref="ArgumentException">It is none, or no layer can have one of its halves; one sentence.</exception>
    public static TriedVariants Parse(string text, string field, ModelConfiguration parent)
    {
        var kinds = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (string kind in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int colon = kind.IndexOf(':', StringComparison.Ordinal);
            string name = colon < 0 ? string.Empty : kind[..colon];
            if (name is not ("attention" or "ffn") || !kinds.TryAdd(name, kind[(colon + 1)..].Split(',')))
            {
                throw new ArgumentException($"{field} {text}: {Form}");
            }
        }

        var tried = new TriedVariants(text, kinds.GetValueOrDefault("attention"), kinds.GetValueOrDefault("ffn"));
        if (tried.IsAll)
        {
            throw new ArgumentException($"{field} {text}: {Form}");
        }

        foreach (string word in (tried._mixers ?? []).Where(word => parent.Layers.All(layer => Mixer(word, layer.Mixer) is null)))
        {
            throw new ArgumentException($"{field} {text}: no layer of the parent can have the attention '{word}'");
        }

        foreach (string word in (tried._feedForwards ?? []).Where(word => parent.Layers.All(layer => FeedForward(word, layer.FeedForward) is null)))
        {
            throw new ArgumentException($"{field} {text}: no layer of the parent can have the feed-forward '{word}'");
        }

        return tried;
    }

    /// <summary>Mixers to try in a layer whose mixer is <paramref name="parent"/>, which comes first.</summary>
    public IReadOnlyList<MixerConfiguration> Mixers(MixerConfiguration parent) => _mixers is null
        ? VariantGrid.Mixers(parent)
        : [.. _mixers.Select(word => Mixer(word, parent)).OfType<MixerConfiguration>().Prepend(parent).Distinct()];

    /// <summary>Feed-forwards to try in a layer whose feed-forward is <paramref name="parent"/>, which comes first.</summary>
    public IReadOnlyList<FeedForwardConfiguration> FeedForwards(FeedForwardConfiguration parent) => _feedForwards is null
        ? VariantGrid.FeedForwards(parent)
        : [.. _feedForwards.Select(word => FeedForward(word, parent)).OfType<FeedForwardConfiguration>().Prepend(parent).Distinct()];

    /// <summary>Every pair of a mixer and a feed-forward; the parent's own layer comes first.</summary>
    public IReadOnlyList<BlockVariant> Blocks(LayerConfiguration parent) =>
        [.. from mixer in Mixers(parent.Mixer)
            from feedForward in FeedForwards(parent.FeedForward)
            select new BlockVariant(mixer, feedForward)];

    /// <summary>The mixer that a word means in a layer, or null where it means none there.</summary>
    private static MixerConfiguration? Mixer(string word, MixerConfiguration parent) => (word, parent) switch
    {
        ("parent", _) => parent,
        ("none", _) => new NoMixerConfiguration(),
        ("linear", AttentionConfiguration or LinearMixerConfiguration) => new LinearMixerConfiguration(),
        (_, AttentionConfiguration attention) when Number(word, "kv", string.Empty) is { } heads
            && heads <= attention.KvHeadCount && attention.KvHeadCount % heads == 0 => attention with { KvHeadCount = heads },
        _ => null,
    };

    /// <summary>The feed-forward that a word means in a layer, or null where it means none there.</summary>
    private static FeedForwardConfiguration? FeedForward(string word, FeedForwardConfiguration parent) => (word, parent) switch
    {
        ("parent", _) => parent,
        ("none", _) => new NoFeedForwardConfiguration(),
        ("linear", SwiGluConfiguration or LinearFeedForwardConfiguration) => new LinearFeedForwardConfiguration(),
        (_, SwiGluConfiguration swiGlu) when Number(word, string.Empty, "%") is { } percent && percent <= 100 =>
            percent == 100 ? parent : swiGlu with { Width = VariantGrid.WidthOf(swiGlu.Width, percent) },
        (_, SwiGluConfiguration swiGlu) when Number(word, "ffn", string.Empty) is { } width && width <= swiGlu.Width =>
            swiGlu with { Width = width },
        _ => null,
    };

    private static int? Number(string word, string before, string behind) =>
        word.Length > before.Length + behind.Length && word.StartsWith(before, StringComparison.Ordinal)
        && word.EndsWith(behind, StringComparison.Ordinal)
        && int.TryParse(word.AsSpan(before.Length, word.Length - before.Length - behind.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        && number > 0 ? number : null;
}
