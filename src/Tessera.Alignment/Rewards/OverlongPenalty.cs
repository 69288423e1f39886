namespace Tessera.Alignment.Rewards;

/// <summary>
/// Soft penalty for responses that come close to the limit: min(−(length − (L_max − buffer)) / buffer · penalty, 0).
/// </summary>
/// <remarks>Source: Yu et al. 2025 (DAPO), whose recipe has L_max 14,336 and a buffer of 2,048.</remarks>
/// <param name="MaxLength">L_max, tokens.</param>
/// <param name="Buffer">Tokens below L_max over which the penalty rises; 0 for no penalty.</param>
/// <param name="Penalty">What a response of L_max tokens loses.</param>
public sealed record OverlongPenalty(int MaxLength, int Buffer, double Penalty)
{
    /// <summary>No penalty at any length.</summary>
    public static OverlongPenalty None { get; } = new(0, 0, 0);

    /// <summary>What is added to the reward, at most 0.</summary>
    public double Of(int length) => Buffer <= 0 ? 0 : Math.Min(-(length - (MaxLength - Buffer)) / (double)Buffer * Penalty, 0);
}
