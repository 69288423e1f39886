namespace Tessera.Puzzle.Targets;

/// <summary>
/// Names variants, in pins, exclusions and counts: <c>attention:none</c>, <c>ffn:linear@0-3</c>, <c>kv2 ffn128@5</c>, or
/// <c>0-3</c> for the parent's own blocks in these layers.
/// </summary>
/// <remarks>
/// <code>
/// selector = what ["@" layers] | layers
/// what     = ("attention" | "mixer" | "ffn") ":" label   one half
///          | label " " label                             a mixer and a feed-forward
///          | "parent"                                    the parent's own block
/// label    = a half's label; "parent" for the parent's own; a "*" at its end stands for anything
/// layers   = list of layers and ranges, such as 0-3,7; all where it is missing
/// </code>
/// </remarks>
public sealed class VariantSelector
{
    private const string Any = "*";
    private const string ParentLabel = "parent";
    private const string Form =
        "expected attention:LABEL, ffn:LABEL, \"LABEL LABEL\" or parent, then @LAYERS where it holds for some, for instance attention:none@0-3,7";

    private readonly string _mixer;
    private readonly string _feedForward;

    private VariantSelector(string text, string mixer, string feedForward, LayerSet? layers) =>
        (Text, _mixer, _feedForward, Layers) = (text, mixer, feedForward, layers);

    /// <summary>As written.</summary>
    public string Text { get; }

    /// <summary>The layers it holds for; null for all.</summary>
    public LayerSet? Layers { get; }

    /// <summary>Reads a selector.</summary>
    /// <param name="text">As a person writes it.</param>
    /// <param name="field">Named in messages.</param>
    /// <exception cref="ArgumentException">It is none; the sentence says what is expected.</exception>
    public static VariantSelector Parse(string text, string field)
    {
        if (LayerSet.TryParse(text) is { } only)
        {
            return new VariantSelector(text, ParentLabel, ParentLabel, only);
        }

        int at = text.LastIndexOf('@');
        LayerSet? layers = at < 0 ? null : LayerSet.TryParse(text[(at + 1)..]);
        string what = (at < 0 ? text : text[..at]).Trim();
        int colon = what.IndexOf(':', StringComparison.Ordinal);
        string[] halves = what.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        (string Mixer, string FeedForward)? parsed = (colon < 0 ? null : what[..colon], halves.Length) switch
        {
            _ when at >= 0 && layers is null => null,
            ("attention" or "mixer", 1) => (what[(colon + 1)..], Any),
            ("ffn", 1) => (Any, what[(colon + 1)..]),
            (null, 2) => (halves[0], halves[1]),
            (null, 1) when what == ParentLabel => (ParentLabel, ParentLabel),
            _ => null,
        };
        return parsed is { Mixer.Length: > 0, FeedForward.Length: > 0 } labels
            ? new VariantSelector(text, labels.Mixer, labels.FeedForward, layers)
            : throw new ArgumentException($"{field} {text}: {Form}");
    }

    /// <summary>Whether it names a layer's variant.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="parent">Labels of the parent's own halves there.</param>
    /// <param name="variant">Labels of the variant's halves.</param>
    public bool Matches(int layer, (string Mixer, string FeedForward) parent, (string Mixer, string FeedForward) variant) =>
        Layers?.Contains(layer) != false && Fits(_mixer, parent.Mixer, variant.Mixer)
            && Fits(_feedForward, parent.FeedForward, variant.FeedForward);

    private static bool Fits(string pattern, string parent, string label) =>
        pattern == ParentLabel ? label == parent
        : pattern.EndsWith('*') ? label.StartsWith(pattern[..^1], StringComparison.Ordinal)
        : label == pattern;
}
