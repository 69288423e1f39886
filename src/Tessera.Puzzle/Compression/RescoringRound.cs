using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Compression;

/// <summary>A choice of blocks that has been assembled and scored as a whole.</summary>
/// <param name="Choice">Index of the variant, layer by layer.</param>
/// <param name="Realised">What the assembled model loses to the parent, on the scoring documents.</param>
public sealed record RealisedChoice(int[] Choice, BlockScore Realised);

/// <summary>A choice that a round of scoring again proposed.</summary>
/// <param name="Name">How it was found.</param>
/// <param name="Changed">Layers in which it differs from the child that was scored around.</param>
/// <param name="Predicted">Score that the corrected scores promised.</param>
/// <param name="LowerBound">Proven lower bound of that sum; of the linear model, not of what an assembled model can reach.</param>
/// <param name="Child">The choice with what it really scores.</param>
public sealed record RescoredCandidate(string Name, int Changed, double Predicted, double LowerBound, RealisedChoice Child);

/// <summary>One round: every alternative of every layer scored inside a child, searches with those scores, and what their choices really score.</summary>
/// <param name="Round">Counted from 1.</param>
/// <param name="Kind">The score that was minimised.</param>
/// <param name="Around">The child that was scored around.</param>
/// <param name="Candidates">Distinct choices that were proposed, best prediction first within a kind of search.</param>
/// <param name="Best">The best so far: one of the candidates, or the child that was scored around.</param>
public sealed record RescoringRound(
    int Round, string Kind, RealisedChoice Around, IReadOnlyList<RescoredCandidate> Candidates, RealisedChoice Best)
{
    /// <summary>Whether a candidate was better than the child that was scored around.</summary>
    public bool IsBetter => !Best.Choice.AsSpan().SequenceEqual(Around.Choice);
}

/// <summary>What scoring again came to.</summary>
/// <param name="First">The additivity of the scores at the first search's choice.</param>
/// <param name="FirstChoice">That choice.</param>
/// <param name="Rounds">The rounds that were run; none where additivity holds and rounds were left to that.</param>
public sealed record RescoringOutcome(AdditivityCheck First, RealisedChoice FirstChoice, IReadOnlyList<RescoringRound> Rounds)
{
    /// <summary>The best realised choice.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public RealisedChoice Best => Rounds.Count == 0 ? FirstChoice : Rounds[^1].Best;
}
