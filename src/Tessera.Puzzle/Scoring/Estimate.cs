namespace Tessera.Puzzle.Scoring;

/// <summary>A mean over documents with its standard error.</summary>
/// <param name="Mean">Mean.</param>
/// <param name="StandardError">Of the mean, from the spread between documents.</param>
/// <param name="Documents">Documents.</param>
public readonly record struct Estimate(double Mean, double StandardError, int Documents);
