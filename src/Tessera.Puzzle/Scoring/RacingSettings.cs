using System.Globalization;

namespace Tessera.Puzzle.Scoring;

/// <summary>When the scoring of a layer's variants may end before all documents are read (docs/scores.md).</summary>
/// <param name="Kind">The score that decides.</param>
/// <param name="Margin">
/// A variant is given up when it is worse than one that is no dearer by more than so many standard errors of the paired difference; 0 for never.
/// </param>
/// <param name="Precision">
/// A layer is done when every variant still in the race has a standard error of at most this share of its score; 0 for never.
/// </param>
public sealed record RacingSettings(ScoreKind Kind, double Margin, double Precision)
{
    /// <summary>Standard errors of fewer documents are not believed.</summary>
    public const int LeastDocuments = 8;

    /// <summary>What decides the scores besides data and library; part of the stage's name.</summary>
    public IEnumerable<(string Name, string Value)> Identity =>
    [
        ("race", Margin.ToString(CultureInfo.InvariantCulture)), ("precision", Precision.ToString(CultureInfo.InvariantCulture)), ("race-score", Kind.Name),
    ];

    /// <summary>
    /// How many batches have been read at each decision: an eighth, a quarter, a half of them, rounded up, and all. Few, because every
    /// stretch between two reads the layers behind once more.
    /// </summary>
    public static IReadOnlyList<int> Decisions(int batches) =>
        [.. ((int[])[8, 4, 2, 1]).Select(part => (batches + part - 1) / part).Distinct()];
}

/// <summary>What a race needs to know of a variant.</summary>
/// <param name="Costs">Every cost that a search may limit; a count that may be limited from both sides stands twice, once negated.</param>
/// <param name="MayWin">Whether the search may choose it: others are not given up for one that it may not.</param>
public sealed record RaceEntry(IReadOnlyList<double> Costs, bool MayWin)
{
    /// <summary>Whether no cost of this one is above the other's.</summary>
    public bool IsNoDearerThan(RaceEntry other)
    {
        for (int i = 0; i < Costs.Count; i++)
        {
            if (Costs[i] > other.Costs[i])
            {
                return false;
            }
        }

        return true;
    }
}
