namespace Tessera.Puzzle.Planning;

/// <summary>How much data a compression draws.</summary>
/// <param name="CalibrationTokens">Tokens for channel scores and blockwise distillation.</param>
/// <param name="ScoringTokens">Tokens for scores, and as many held out.</param>
/// <param name="BatchTokens">Most tokens of a batch.</param>
/// <param name="MaxLength">Longest document.</param>
/// <param name="Problems">Unseen problems for accuracy.</param>
public sealed record CompressionWork(int CalibrationTokens, int ScoringTokens, int BatchTokens, int MaxLength, int Problems)
{
    /// <summary>Batches of the calibration.</summary>
    public int CalibrationBatches => Math.Max(1, (CalibrationTokens + BatchTokens - 1) / BatchTokens);
}
