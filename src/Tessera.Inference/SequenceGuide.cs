namespace Tessera.Inference;

/// <summary>
/// Watches one sequence as it grows and may end it or prescribe its next tokens: stop texts, thinking budgets.
/// </summary>
public abstract class SequenceGuide
{
    /// <summary>Told every new token exactly once, in order, stop tokens excepted.</summary>
    public abstract GuideVerdict Observe(int token);
}

/// <summary>What a guide wants.</summary>
/// <param name="Ends">The sequence is over; its reason is <see cref="FinishReason.StopText"/>.</param>
/// <param name="Forced">The next tokens are these, whatever the model would choose; null for none.</param>
public readonly record struct GuideVerdict(bool Ends, IReadOnlyList<int>? Forced = null);
