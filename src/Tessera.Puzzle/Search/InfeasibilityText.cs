namespace Tessera.Puzzle.Search;

/// <summary>The sentences of an infeasibility report.</summary>
internal static class InfeasibilityText
{
    public static IReadOnlyList<string> Sentences(
        SearchStatus status,
        IReadOnlyList<LimitReport> limits,
        Func<Resource, double, string> format)
    {
        var sentences = new List<string>();
        if (status == SearchStatus.Unknown)
        {
            sentences.Add("No solution was found in time, and none was proven impossible.");
        }

        LimitReport[] impossible = [.. limits.Where(limit => !limit.CanBeMetAlone)];
        foreach (LimitReport limit in impossible)
        {
            sentences.Add(Alone(limit, format));
        }

        LimitReport[] conflict = [.. limits.Where(limit => limit.IsInConflict)];
        if (impossible.Length == 0 && conflict.Length > 0)
        {
            string list = string.Join(" and ", conflict.Select(limit => Stated(limit, format)));
            sentences.Add($"Each limit can be met alone, but not together: {list}.");
        }

        sentences.AddRange(limits.Select(limit => Nearest(limit, format)));
        return sentences;
    }

    private static string Stated(LimitReport limit, Func<Resource, double, string> format) =>
        $"{limit.Resource.Name} of {(limit.IsMaximum ? "at most" : "at least")} {format(limit.Resource, limit.Limit)}";

    private static string Alone(LimitReport limit, Func<Resource, double, string> format)
    {
        string extreme = limit.IsMaximum ? "least" : "most";
        string reachable = format(limit.Resource, limit.ReachableAlone);
        return $"No selection meets {Stated(limit, format)}: the {extreme} that can be reached is {reachable}.";
    }

    private static string Nearest(LimitReport limit, Func<Resource, double, string> format)
    {
        string name = $"{(limit.IsMaximum ? "maximum" : "minimum")} of {limit.Resource.Name}";
        if (limit.Nearest is not double nearest)
        {
            return limit.IsNearestProven
                ? $"No {name} helps while the other limits stay."
                : $"No {name} was found in time that helps while the other limits stay.";
        }

        string proof = limit.IsNearestProven ? "" : ", the best found in time";
        return $"While the other limits stay, the nearest {name} is {format(limit.Resource, nearest)}{proof}.";
    }
}
