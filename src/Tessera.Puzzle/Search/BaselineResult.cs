namespace Tessera.Puzzle.Search;

/// <summary>What a simpler search chose; it meets the limits.</summary>
/// <param name="Choice">The chosen index in every layer.</param>
/// <param name="Score">The summed score.</param>
/// <param name="Totals">Constant plus summed costs of every resource.</param>
public sealed record BaselineResult(int[] Choice, double Score, double[] Totals)
{
    /// <summary>Scores and sums a selection; null where it does not meet the limits.</summary>
    internal static BaselineResult? From(SearchProblem problem, int[] choice) =>
        problem.IsFeasible(choice) ? new BaselineResult(choice, problem.ScoreOf(choice), problem.TotalsOf(choice)) : null;
}
