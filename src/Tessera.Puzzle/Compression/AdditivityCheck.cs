using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle.Compression;

/// <summary>
/// Whether scores add up: the sum of one-swap scores of a choice, which the search minimised, beside what the assembled model really scores on
/// the same documents.
/// </summary>
/// <remarks>
/// |realised − predicted| ≤ limit · |predicted| + 2 · (se(realised) + se(predicted)). Scores of different layers come from the same documents, so
/// their errors are not independent; se(predicted) is the sum of their standard errors, a bound whatever their correlation.
/// </remarks>
/// <param name="Kind">Which score.</param>
/// <param name="Predicted">Sum of the one-swap scores.</param>
/// <param name="PredictedStandardError">Sum of their standard errors.</param>
/// <param name="Realised">Score of the assembled model.</param>
/// <param name="Limit">Share of the prediction by which it may be missed.</param>
public sealed record AdditivityCheck(string Kind, double Predicted, double PredictedStandardError, Estimate Realised, double Limit)
{
    /// <summary>(realised − predicted) / |predicted|; 0 where both are 0.</summary>
    public double Departure => Realised.Mean == Predicted ? 0 : (Realised.Mean - Predicted) / Math.Max(Math.Abs(Predicted), double.Epsilon);

    /// <summary>Whether the departure is within the limit, or within what the standard errors leave open.</summary>
    public bool Holds =>
        Math.Abs(Realised.Mean - Predicted) <= (Limit * Math.Abs(Predicted)) + (2 * (Realised.StandardError + PredictedStandardError));

    /// <summary>The check of a choice.</summary>
    /// <param name="kind">Which score.</param>
    /// <param name="scores">One-swap scores of the chosen variants.</param>
    /// <param name="realised">What the assembled model scores.</param>
    /// <param name="limit">Share of the prediction by which it may be missed.</param>
    public static AdditivityCheck Of(ScoreKind kind, IEnumerable<Estimate> scores, Estimate realised, double limit)
    {
        var all = scores.ToList();
        return new AdditivityCheck(kind.Name, all.Sum(score => score.Mean), all.Sum(score => score.StandardError), realised, limit);
    }
}
