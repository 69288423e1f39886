namespace Tessera.Puzzle.Tables;

/// <summary>
/// All that a search needs: sizes of halves, their times in every load, scores of every variant of every layer, and limits.
/// On disk it is the form of docs/search.md.
/// </summary>
public sealed record SearchTables
{
    /// <summary>The version of the form on disk that this program writes and reads.</summary>
    public const int Version = 1;

    /// <summary>The parent's name; may be empty.</summary>
    public string Model { get; init; } = string.Empty;

    /// <summary>What scores are, with their unit; may be empty.</summary>
    public string ScoreName { get; init; } = string.Empty;

    /// <summary>Kind of <see cref="ScoredVariant.Score"/>, such as <c>kl</c>; may be empty.</summary>
    public string ScoreKind { get; init; } = string.Empty;

    /// <summary>The parent's heads; null where they are not told.</summary>
    public TableShape? Shape { get; init; }

    /// <summary>Mixers by label.</summary>
    public required IReadOnlyDictionary<string, HalfSize> Mixers { get; init; }

    /// <summary>Feed-forwards by label.</summary>
    public required IReadOnlyDictionary<string, HalfSize> FeedForwards { get; init; }

    /// <summary>Embedding, final norm and head.</summary>
    public required HalfSize Base { get; init; }

    /// <summary>Times, one entry a scenario and batch.</summary>
    public required IReadOnlyList<LoadTable> Loads { get; init; }

    /// <summary>The layers from the first.</summary>
    public required IReadOnlyList<LayerTable> Layers { get; init; }

    /// <summary>Limits, as a person writes them.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>Selectors of what layers must keep.</summary>
    public IReadOnlyList<string> Pins { get; init; } = [];

    /// <summary>Selectors of what is not to be chosen.</summary>
    public IReadOnlyList<string> Exclusions { get; init; } = [];

    /// <summary>Share by which limits of time are tightened, since measured children scatter around predictions.</summary>
    public double Margin { get; init; }

    /// <summary>Size of a mixer.</summary>
    public HalfSize Mixer(string label) => Mixers[label];

    /// <summary>Size of a feed-forward.</summary>
    public HalfSize FeedForward(string label) => FeedForwards[label];
}
