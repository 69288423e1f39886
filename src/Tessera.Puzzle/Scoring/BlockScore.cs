namespace Tessera.Puzzle.Scoring;

/// <summary>How far a model is from its parent, by every measure that was taken in one passage.</summary>
/// <param name="Divergence">KL(parent ‖ model), nats a token.</param>
/// <param name="LmLoss">Cross entropy above the parent's, paired by document, nats a token; null where a record of an older version lacks it.</param>
/// <param name="Hidden">1 − cosine of the last hidden states, mean over tokens; null as there.</param>
public sealed record BlockScore(Estimate Divergence, Estimate? LmLoss, Estimate? Hidden)
{
    /// <summary>The parent against itself: nothing, by definition.</summary>
    public static BlockScore OfParent { get; } = new(default, default(Estimate), default(Estimate)) { Answer = default(Estimate) };

    /// <summary>Probability of the reference answer below the parent's, paired by problem; null where no answers were scored.</summary>
    public Estimate? Answer { get; init; }

    /// <summary>
    /// Whether scoring ended early, because another variant that is no dearer was better beyond doubt. The figures are then that variant's plus
    /// the paired difference on the documents that both were read on, and the standard errors the sums of both: bounds.
    /// </summary>
    public bool IsRacedOut { get; init; }

    /// <summary>The score of a kind; null where it was not taken.</summary>
    public Estimate? Of(ScoreKind kind) => kind.TaskName is not null ? Answer : kind.Name switch
    {
        "kl" => Divergence,
        "lm-loss" => LmLoss,
        _ => Hidden,
    };
}
