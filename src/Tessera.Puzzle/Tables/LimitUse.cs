using Tessera.Puzzle.Search;

namespace Tessera.Puzzle.Tables;

/// <summary>How far a solution uses a limit, and what a little more of it would be worth.</summary>
/// <param name="Name">The resource.</param>
/// <param name="IsMaximum">Whether the limit is an upper one.</param>
/// <param name="Limit">The limit, tightened by the margin where it is one of time.</param>
/// <param name="Used">What the solution takes.</param>
/// <param name="Step">The amount by which the limit is loosened in <paramref name="Saving"/>: a hundredth of it, or one layer.</param>
/// <param name="Saving">By how much the score would fall for such a step, as the relaxation's multiplier says; 0 where the limit does not bind.</param>
/// <param name="Text">All of it as a sentence.</param>
public sealed record LimitUse(string Name, bool IsMaximum, double Limit, double Used, double Step, double Saving, string Text)
{
    /// <summary>The uses of all limits of a problem.</summary>
    /// <param name="problem">The problem.</param>
    /// <param name="result">Its solution.</param>
    public static IReadOnlyList<LimitUse> Of(SearchProblem problem, SearchResult result)
    {
        var uses = new List<LimitUse>();
        for (int i = 0; i < problem.Resources.Count; i++)
        {
            var resource = problem.Resources[i];
            double price = result.ShadowPrices.Length > i ? result.ShadowPrices[i] : 0;
            double used = problem.TotalOf(i, result.Choice);
            if (!double.IsPositiveInfinity(resource.Maximum))
            {
                uses.Add(Of(resource, true, resource.Maximum, used, Math.Max(0, price)));
            }

            if (!double.IsNegativeInfinity(resource.Minimum))
            {
                uses.Add(Of(resource, false, resource.Minimum, used, Math.Max(0, -price)));
            }
        }

        return uses;
    }

    private static LimitUse Of(Resource resource, bool isMaximum, double limit, double used, double price)
    {
        bool isCount = resource.Unit == ResourceUnit.Count;
        double step = isCount ? 1 : Math.Abs(limit) / 100;
        double saving = price * step;
        string amount = isCount ? "one layer" : $"1 % ({ResourceFormat.Human(resource with { ScenarioTokens = 0 }, step)})";
        string worth = saving > 0
            ? FormattableString.Invariant($"; {amount} {(isMaximum ? "more" : "less")} would lower the score by about {saving:G3}")
            : "; it does not bind";
        return new LimitUse(
            resource.Name, isMaximum, limit, used, step, saving,
            $"{resource.Name}: {ResourceFormat.Human(resource, used)} of {(isMaximum ? "at most" : "at least")} {ResourceFormat.Human(resource, limit)}{worth}");
    }
}
