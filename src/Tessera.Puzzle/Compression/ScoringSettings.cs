using System.Globalization;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Compression;

/// <summary>Which score a compression minimises, and how it is taken (docs/scores.md).</summary>
public sealed record ScoringSettings
{
    private const double UsualLimit = 0.25;

    /// <summary>The score that the search minimises; the kinds of text are recorded whichever it is.</summary>
    public ScoreKind Kind { get; init; } = ScoreKind.Divergence;

    /// <summary>Standard errors of the paired difference by which a variant must lose to be given up early; 0 for never.</summary>
    public double RaceMargin { get; init; }

    /// <summary>Standard error, as a share of the score, at which a layer's scoring ends; 0 for never.</summary>
    public double Precision { get; init; }

    /// <summary>Most rounds of scoring again around the child; 0 for none.</summary>
    public int Rounds { get; init; }

    /// <summary>Whether rounds are run only where the realised score departs from the predicted one.</summary>
    public bool OnlyWhereAdditivityFails { get; init; }

    /// <summary>Share of the predicted score by which the realised one may depart before the additivity of scores counts as failed.</summary>
    public double AdditivityLimit { get; init; } = UsualLimit;

    /// <summary>What decides a result besides the scores themselves; only where it was asked for, so that runs without keep their stages.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        .. Rounds == 0 ? [] : ((string, string)[])[("rescore", $"{Rounds.ToString(CultureInfo.InvariantCulture)}{(OnlyWhereAdditivityFails ? " where additivity fails" : string.Empty)}")],
        .. AdditivityLimit == UsualLimit ? [] : ((string, string)[])[("additivity", AdditivityLimit.ToString(CultureInfo.InvariantCulture))],
    ];

    /// <summary>When scoring by a kind may end early; null for never.</summary>
    public RacingSettings? Racing(ScoreKind kind) => RaceMargin > 0 || Precision > 0 ? new RacingSettings(kind, RaceMargin, Precision) : null;
}
