using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>Narrows the alternatives of layers: pins, exclusions, and what a form on disk can hold.</summary>
/// <param name="Pins">In the layers that a pin names, only variants that it matches stay.</param>
/// <param name="Exclusions">Variants that match one are left out.</param>
/// <param name="Form">A form on disk that must hold the child; null for none.</param>
public sealed record VariantFilter(
    IReadOnlyList<VariantSelector> Pins, IReadOnlyList<VariantSelector> Exclusions, LoadableForm? Form = null)
{
    /// <summary>Leaves everything.</summary>
    public static VariantFilter None { get; } = new([], []);

    /// <summary>Whether it leaves everything.</summary>
    public bool IsEmpty => Pins.Count == 0 && Exclusions.Count == 0 && Form is null;

    /// <inheritdoc />
    public override string ToString() =>
        $"pin {string.Join(' ', Pins.Select(pin => pin.Text))}; exclude {string.Join(' ', Exclusions.Select(exclusion => exclusion.Text))}; form {Form?.Name}";

    /// <summary>The indices of the variants that stay, layer by layer.</summary>
    /// <exception cref="ArgumentException">
    /// A selector matches nothing, a form holds no child but the parent, or a layer is left without a variant; one sentence.
    /// </exception>
    public IReadOnlyList<int[]> Apply(SearchTables tables)
    {
        foreach (var selector in Pins.Concat(Exclusions))
        {
            EnsureMatches(tables, selector);
        }

        Form?.EnsureMixes(tables);
        var kept = new List<int[]>();
        for (int layer = 0; layer < tables.Layers.Count; layer++)
        {
            int index = layer;
            var variants = tables.Layers[layer].Variants;
            kept.Add([.. Enumerable.Range(0, variants.Count).Where(variant => Keeps(tables, index, variants[variant]))]);
            if (kept[^1].Length == 0)
            {
                throw new ArgumentException($"layer {layer}: {Description} leave no variant to choose");
            }
        }

        return kept;
    }

    private string Description => string.Join(", ", ((string?[])
    [
        Pins.Count == 0 ? null : $"the pins {string.Join(", ", Pins.Select(pin => pin.Text))}",
        Exclusions.Count == 0 ? null : $"the exclusions {string.Join(", ", Exclusions.Select(exclusion => exclusion.Text))}",
        Form is null ? null : $"the limits of the form {Form.Name}",
    ]).OfType<string>());

    private bool Keeps(SearchTables tables, int layer, ScoredVariant variant)
    {
        var table = tables.Layers[layer];
        bool Matches(VariantSelector selector) =>
            selector.Matches(layer, (table.Mixer, table.FeedForward), (variant.Mixer, variant.FeedForward));
        return Pins.All(pin => pin.Layers?.Contains(layer) == false || Matches(pin))
            && !Exclusions.Any(Matches)
            && (Form is null || Form.Holds(layer, tables.Mixer(variant.Mixer), tables.FeedForward(variant.FeedForward)));
    }

    private static void EnsureMatches(SearchTables tables, VariantSelector selector)
    {
        if (selector.Layers is { } layers && layers.Last >= tables.Layers.Count)
        {
            throw new ArgumentException($"{selector.Text}: there is no layer {layers.Last}, expected 0 to {tables.Layers.Count - 1}");
        }

        for (int layer = 0; layer < tables.Layers.Count; layer++)
        {
            var table = tables.Layers[layer];
            foreach (var variant in table.Variants)
            {
                if (selector.Matches(layer, (table.Mixer, table.FeedForward), (variant.Mixer, variant.FeedForward)))
                {
                    return;
                }
            }
        }

        throw new ArgumentException(
            $"{selector.Text}: no variant is called so; there are the attentions {string.Join(", ", tables.Mixers.Keys)} and the "
            + $"feed-forwards {string.Join(", ", tables.FeedForwards.Keys)}");
    }
}
