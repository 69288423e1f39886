using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>The plot area of charts with two axes: grid, tick labels, axis titles, legend.</summary>
internal sealed class PlotFrame
{
    internal const double Left = 74;
    internal const double Right = Svg.Width - 24;
    private const double LegendRow = 20;
    private readonly IReadOnlyList<string> _names;
    private readonly int _legendRows;

    /// <param name="names">Names of the series in order of their colours; one alone needs no legend.</param>
    internal PlotFrame(IReadOnlyList<string> names)
    {
        _names = names.Count > 1 ? names : [];
        _legendRows = _names.Count == 0 ? 0 : 1 + LegendPlaces().Max(place => place.Row);
        Top = 40 + (_legendRows * LegendRow);
        Bottom = Top + 300;
        Height = Bottom + 52;
    }

    internal double Top { get; }

    internal double Bottom { get; }

    internal double Height { get; }

    /// <summary>An SVG with everything but the data.</summary>
    internal XElement Draw(string title, string xLabel, string yLabel, Axis x, Axis y)
    {
        XElement svg = Svg.Root(Height, title);
        foreach ((double value, string label) in y.Ticks)
        {
            double pixel = y.Map(value);
            svg.Add(Svg.Line(Left, pixel, Right, pixel, Palette.Grid));
            svg.Add(Svg.Text(Left - 8, pixel + 4, label, Palette.Faint, "end", 12));
        }

        foreach ((double value, string label) in x.Ticks)
        {
            double pixel = x.Map(value);
            svg.Add(Svg.Line(pixel, Bottom, pixel, Bottom + 5, Palette.Faint));
            svg.Add(Svg.Text(pixel, Bottom + 19, label, Palette.Faint, "middle", 12));
        }

        svg.Add(Svg.Line(Left, Bottom, Right, Bottom, Palette.Faint));
        svg.Add(Svg.Text((Left + Right) / 2, Bottom + 40, xLabel, Palette.Ink, "middle"));
        double middle = (Top + Bottom) / 2;
        svg.Add(Svg.Rotated(Svg.Text(14, middle, yLabel, Palette.Ink, "middle"), -90, 14, middle));
        AddLegend(svg);
        return svg;
    }

    /// <summary>Says in the middle of the plot that there is nothing to see.</summary>
    internal void AddNoData(XElement svg) =>
        svg.Add(Svg.Text((Left + Right) / 2, (Top + Bottom) / 2, "no data", Palette.Faint, "middle"));

    private void AddLegend(XElement svg)
    {
        int index = 0;
        foreach ((double x, int row) in LegendPlaces())
        {
            double y = 32 + (row * LegendRow);
            svg.Add(Svg.Rectangle(x, y, 12, 12, Palette.Series(index)));
            svg.Add(Svg.Text(x + 18, y + 11, _names[index], Palette.Ink));
            index++;
        }
    }

    private IEnumerable<(double X, int Row)> LegendPlaces()
    {
        double x = Left;
        int row = 0;
        foreach (string name in _names)
        {
            double width = Svg.TextWidth(name) + 40;
            if (x > Left && x + width > Right)
            {
                x = Left;
                row++;
            }

            yield return (x, row);
            x += width;
        }
    }
}
