namespace Tessera.Puzzle.Scoring;

/// <summary>Tokens whose position in their document lies in a range.</summary>
/// <param name="From">First position, counted from 0.</param>
/// <param name="To">One behind the last.</param>
/// <param name="Tokens">Predictions in the range, by weight.</param>
/// <param name="Divergence">KL(parent ‖ child), nats a token.</param>
/// <param name="ParentLoss">Cross-entropy of the parent, nats a token.</param>
/// <param name="ChildLoss">Cross-entropy of the child, nats a token.</param>
public sealed record PositionBucket(int From, int To, double Tokens, Estimate Divergence, Estimate ParentLoss, Estimate ChildLoss);

/// <summary>
/// Parent and child side by side up to the length that the child is sold at. A child that was healed on short documents may be near its
/// parent there and fall away behind them, which one mean over all positions hides.
/// </summary>
/// <param name="Length">Longest document.</param>
/// <param name="Rows">Ranges of positions in order, without those that no prediction falls in; the last row is all of them.</param>
public sealed record PositionTable(int Length, IReadOnlyList<PositionBucket> Rows)
{
    /// <summary>The rows with the names of their ranges, such as 64–127; the last is <c>all</c>.</summary>
    public IEnumerable<(string Range, PositionBucket Row)> Named() => Rows.Select((row, i) =>
        (i == Rows.Count - 1 ? "all" : FormattableString.Invariant($"{row.From}–{row.To - 1}"), row));
}
