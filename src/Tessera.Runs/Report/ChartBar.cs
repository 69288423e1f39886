namespace Tessera.Runs.Report;

/// <summary>A bar of a <see cref="BarChart"/>.</summary>
/// <param name="Label">Name beside the bar.</param>
/// <param name="Value">Its length; one that is not finite is drawn as a name without a bar.</param>
/// <param name="Text">Value as printed at its end, with its unit.</param>
/// <param name="Group">Bars of a group share a colour and an entry of the legend.</param>
public sealed record ChartBar(string Label, double Value, string Text, string Group = "");
