namespace Tessera.Runs.Report;

/// <summary>A named line of a <see cref="LineChart"/>.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Points">Points in the order in which they are joined; one that is not finite leaves a gap.</param>
public sealed record ChartSeries(string Name, IReadOnlyList<(double X, double Y)> Points);
