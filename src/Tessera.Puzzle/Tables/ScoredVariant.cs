namespace Tessera.Puzzle.Tables;

/// <summary>A block that may stand in a layer, and what that costs in quality.</summary>
/// <param name="Mixer">Label of its mixer.</param>
/// <param name="FeedForward">Label of its feed-forward.</param>
/// <param name="Score">What choosing it adds to the objective; smaller is better.</param>
public sealed record ScoredVariant(string Mixer, string FeedForward, double Score)
{
    /// <summary>Standard error of the score; null where it is not told.</summary>
    public double? StandardError { get; init; }

    /// <summary>Scores by scenario, on text of its kind; empty where one score serves all.</summary>
    public IReadOnlyDictionary<string, double> ScenarioScores { get; init; } = new Dictionary<string, double>();

    /// <summary>Every score that was taken, by kind (docs/scores.md); empty where there is one alone.</summary>
    public IReadOnlyDictionary<string, TableScore> Scores { get; init; } = new Dictionary<string, TableScore>();

    /// <summary>Whether scoring ended early because a variant that is no dearer was better beyond doubt; the scores are then estimates from fewer documents.</summary>
    public bool IsRacedOut { get; init; }

    /// <summary>Both labels, for instance <c>kv2 ffn128</c>.</summary>
    public string Label => $"{Mixer} {FeedForward}";

    /// <summary>The score in a scenario.</summary>
    public double ScoreIn(string scenario) => ScenarioScores.TryGetValue(scenario, out double score) ? score : Score;
}

/// <summary>One score of a variant.</summary>
/// <param name="Score">Smaller is better.</param>
/// <param name="StandardError">Of the score; null where it is not told.</param>
public readonly record struct TableScore(double Score, double? StandardError);
