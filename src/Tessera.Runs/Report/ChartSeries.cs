namespace Tessera.Runs.Report;

/// <summary>A named line of a <see cref="LineChart"/>.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Points">Points in the order in which they are joined; one that is not finite leaves a gap.</param>
public sealed record ChartSeries(string Name, IReadOnlyList<(double X, double Y)> Points)
{
    /// <summary>A metric over the steps that have it.</summary>
    /// <param name="name">Name in the legend.</param>
    /// <param name="rows">The metrics.</param>
    /// <param name="metric">Which of them.</param>
    public static ChartSeries Of(string name, IEnumerable<MetricsRow> rows, string metric) =>
        new(name, [.. rows.Where(row => row.Values.ContainsKey(metric)).Select(row => ((double)row.Step, row.Values[metric]))]);
}
