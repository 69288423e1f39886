using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Tables;

/// <summary>Several kinds of scores in one set of tables, and the choice between them without scoring again.</summary>
public static class TableScores
{
    /// <summary>Tables with every kind of score that was taken, of which one is minimised.</summary>
    /// <param name="tables">Tables of the same variants, in the same order.</param>
    /// <param name="variants">Variants of every layer.</param>
    /// <param name="scores">Their scores; the chosen kind is this table's.</param>
    public static SearchTables WithKinds(SearchTables tables, IReadOnlyList<IReadOnlyList<BlockVariant>> variants, ScoreTable scores) =>
        Choose(
            tables with
            {
                Layers = [.. tables.Layers.Select((layer, index) => layer with
                {
                    Variants = [.. layer.Variants.Select((scored, at) => WithKinds(scored, scores.All(index, variants[index][at]), scores.Kind))],
                })],
            },
            scores.Kind.Name, "the scores");

    /// <summary>Tables in which the score that is minimised is of another kind; scores by scenario are left out.</summary>
    /// <param name="tables">Tables with several kinds.</param>
    /// <param name="kind">kl, lm-loss, hidden, task:NAME, or what another program calls its own.</param>
    /// <param name="source">Where the tables come from, for the message.</param>
    /// <exception cref="InvalidDataException">A variant has no score of that kind.</exception>
    public static SearchTables Choose(SearchTables tables, string kind, string source) => tables with
    {
        ScoreKind = kind,
        ScoreName = Title(kind),
        Layers = [.. tables.Layers.Select((layer, index) => layer with
        {
            Variants = [.. layer.Variants.Select(variant => variant.Scores.TryGetValue(kind, out var score)
                ? variant with { Score = score.Score, StandardError = score.StandardError, ScenarioScores = new Dictionary<string, double>() }
                : throw new InvalidDataException(
                    $"{source}: layer {index}, '{variant.Label}' has no score of the kind {kind}, expected {Known(variant)}"))],
        })],
    };

    private static string Title(string kind) =>
        ScoreKind.OfText.Any(known => known.Name == kind) || new ScoreKind(kind).TaskName is not null ? new ScoreKind(kind).Title : kind;

    private static string Known(ScoredVariant variant) =>
        variant.Scores.Count == 0 ? "none: the tables have one kind alone, which --score cannot change" : string.Join(" or ", variant.Scores.Keys);

    private static ScoredVariant WithKinds(ScoredVariant variant, BlockScore score, ScoreKind chosen)
    {
        var kinds = new Dictionary<string, TableScore>();
        foreach (var kind in ScoreKind.OfText.Append(chosen).Distinct())
        {
            if (score.Of(kind) is { } found)
            {
                kinds.Add(kind.Name, new TableScore(found.Mean, found.StandardError));
            }
        }

        return variant with { Scores = kinds, IsRacedOut = score.IsRacedOut };
    }
}
