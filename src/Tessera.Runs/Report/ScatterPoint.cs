namespace Tessera.Runs.Report;

/// <summary>A point of a <see cref="ScatterChart"/>.</summary>
/// <param name="X">Value along the bottom.</param>
/// <param name="Y">Value along the side.</param>
/// <param name="Label">Text beside the point; may be empty.</param>
/// <param name="Group">Points of a group share a colour and an entry of the legend.</param>
public sealed record ScatterPoint(double X, double Y, string Label, string Group = "")
{
    /// <summary>Told when the point is pointed at; the label where it is null.</summary>
    public string? Detail { get; init; }
}
