using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>Horizontal bars from zero, one a row, with their names to the left and their values at the end.</summary>
public sealed class BarChart : IFigure
{
    private const double RowHeight = 26;
    private const double BarHeight = 18;

    /// <inheritdoc />
    public required string Title { get; init; }

    /// <summary>The quantity, with its unit.</summary>
    public required string ValueLabel { get; init; }

    /// <summary>The bars from top to bottom.</summary>
    public required IReadOnlyList<ChartBar> Bars { get; init; }

    /// <inheritdoc />
    public XElement ToSvg()
    {
        List<string> groups = [.. Bars.Select(bar => bar.Group).Distinct()];
        bool legend = groups.Count > 1;
        double top = legend ? 62 : 40;
        double bottom = top + (Bars.Count * RowHeight);
        double left = Math.Min(340, 12 + Bars.Select(bar => Svg.TextWidth(bar.Label)).DefaultIfEmpty().Max());
        double right = Svg.Width - 12 - Bars.Select(bar => Svg.TextWidth(bar.Text)).DefaultIfEmpty().Max();
        var axis = new Axis(Bars.Select(bar => bar.Value).Append(0), (left, right));
        XElement svg = Svg.Root(bottom + 46, Title);
        foreach ((double value, string label) in axis.Ticks)
        {
            svg.Add(Svg.Line(axis.Map(value), top, axis.Map(value), bottom, Palette.Grid));
            svg.Add(Svg.Text(axis.Map(value), bottom + 17, label, Palette.Faint, "middle", 12));
        }

        for (int row = 0; row < Bars.Count; row++)
        {
            AddBar(svg, Bars[row], top + (row * RowHeight), left, axis, Palette.Series(groups.IndexOf(Bars[row].Group)));
        }

        svg.Add(Svg.Line(axis.Map(0), top, axis.Map(0), bottom, Palette.Faint));
        svg.Add(Svg.Text((left + right) / 2, bottom + 38, ValueLabel, Palette.Ink, "middle"));
        if (legend)
        {
            AddLegend(svg, groups, left);
        }

        return svg;
    }

    private static void AddBar(XElement svg, ChartBar bar, double y, double left, Axis axis, string colour)
    {
        double baseline = y + (RowHeight / 2) + 4.5;
        svg.Add(Svg.Text(left - 8, baseline, bar.Label, Palette.Ink, "end"));
        double zero = axis.Map(0);
        double end = axis.Accepts(bar.Value) ? axis.Map(bar.Value) : zero;
        svg.Add(Svg.Rectangle(
            Math.Min(zero, end), y + ((RowHeight - BarHeight) / 2), Math.Abs(end - zero), BarHeight, colour, $"{bar.Label}: {bar.Text}"));
        svg.Add(Svg.Text(Math.Max(zero, end) + 6, baseline, bar.Text, Palette.Ink));
    }

    private static void AddLegend(XElement svg, List<string> groups, double left)
    {
        double x = left;
        for (int index = 0; index < groups.Count; index++)
        {
            svg.Add(Svg.Rectangle(x, 34, 12, 12, Palette.Series(index)));
            svg.Add(Svg.Text(x + 18, 45, groups[index], Palette.Ink));
            x += Svg.TextWidth(groups[index]) + 40;
        }
    }
}
