namespace Tessera.Puzzle.Scoring;

/// <summary>What a replace-one-block score measures; smaller is better in all of them, and the parent's own block has 0.</summary>
/// <remarks>
/// kl: KL(parent ‖ child) of the next-token distributions. lm-loss: the child's cross entropy minus the parent's. hidden: 1 − cosine of the
/// states behind the final norm. task:NAME: the probability of a problem's reference answer under the parent minus that under the child.
/// Source: Puzzle (Bercovich et al. 2025), section 3.1, scores by KL, LM loss and a task's accuracy.
/// </remarks>
/// <param name="Name">As on the command line and in tables.</param>
public sealed record ScoreKind(string Name)
{
    private const string TaskPrefix = "task:";

    /// <summary>KL(parent ‖ child), nats a token.</summary>
    public static ScoreKind Divergence { get; } = new("kl");

    /// <summary>Cross entropy above the parent's, nats a token; may be negative.</summary>
    public static ScoreKind LmLoss { get; } = new("lm-loss");

    /// <summary>1 − cosine of child's and parent's last hidden states, mean over tokens.</summary>
    public static ScoreKind Hidden { get; } = new("hidden");

    /// <summary>The kinds that one passage over the scoring text gives at once.</summary>
    public static IReadOnlyList<ScoreKind> OfText { get; } = [Divergence, LmLoss, Hidden];

    /// <summary>Name of the task whose answers are scored; null for the kinds of text.</summary>
    public string? TaskName => Name.StartsWith(TaskPrefix, StringComparison.Ordinal) ? Name[TaskPrefix.Length..] : null;

    /// <summary>What it is, with its unit, for tables and reports.</summary>
    public string Title => Name switch
    {
        "kl" => "KL(parent || parent with one layer replaced), nats a token",
        "lm-loss" => "cross entropy of the parent with one layer replaced minus the parent's, nats a token",
        "hidden" => "1 - cosine of the last hidden states, parent against parent with one layer replaced",
        _ => $"lost probability of the reference answers of {TaskName}, parent minus parent with one layer replaced",
    };

    /// <summary>The kind of a name.</summary>
    /// <param name="text">kl, lm-loss, hidden or task:NAME.</param>
    /// <param name="option">Where it stands, for the message.</param>
    /// <exception cref="ArgumentException">There is no such kind.</exception>
    public static ScoreKind Parse(string text, string option) =>
        OfText.FirstOrDefault(kind => kind.Name == text)
        ?? (text.StartsWith(TaskPrefix, StringComparison.Ordinal) && text.Length > TaskPrefix.Length
            ? new ScoreKind(text)
            : throw new ArgumentException($"{option} {text}: expected kl, lm-loss, hidden or task:NAME"));

    /// <inheritdoc />
    public override string ToString() => Name;
}
