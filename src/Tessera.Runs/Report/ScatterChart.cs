using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>
/// Labelled points over two axes, such as accuracy against throughput, with lines behind them where there are any. Points that are
/// not finite are left out.
/// </summary>
public sealed class ScatterChart : IFigure
{
    private const double Radius = 5;
    private const double LabelSize = 12;

    /// <inheritdoc />
    public required string Title { get; init; }

    /// <summary>Quantity along the bottom, with its unit.</summary>
    public required string XLabel { get; init; }

    /// <summary>Quantity along the side, with its unit.</summary>
    public required string YLabel { get; init; }

    /// <summary>The points.</summary>
    public required IReadOnlyList<ScatterPoint> Points { get; init; }

    /// <summary>Lines behind the points, such as a front; one with the name of a group has its colour.</summary>
    public IReadOnlyList<ChartSeries> Lines { get; init; } = [];

    /// <summary>Draw x logarithmically; points that are not positive are left out.</summary>
    public bool LogX { get; init; }

    /// <summary>Draw y logarithmically; points that are not positive are left out.</summary>
    public bool LogY { get; init; }

    /// <inheritdoc />
    public XElement ToSvg()
    {
        List<string> groups = [.. Lines.Select(line => line.Name).Concat(Points.Select(point => point.Group)).Distinct()];
        var frame = new PlotFrame(groups);
        (double X, double Y)[] all = [.. Lines.SelectMany(line => line.Points), .. Points.Select(point => (point.X, point.Y))];
        (double X, double Y)[] seen = [.. all.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y) && (!LogX || point.X > 0) && (!LogY || point.Y > 0))];
        var x = new Axis(seen.Select(point => point.X), (PlotFrame.Left, PlotFrame.Right), LogX);
        var y = new Axis(seen.Select(point => point.Y), (frame.Bottom, frame.Top), LogY);
        XElement svg = frame.Draw(Title, XLabel, YLabel, x, y);
        foreach (ChartSeries line in Lines)
        {
            (double X, double Y)[] path = [.. line.Points.Where(point => x.Accepts(point.X) && y.Accepts(point.Y)).Select(point => (x.Map(point.X), y.Map(point.Y)))];
            if (path.Length > 1)
            {
                svg.Add(Svg.Path(path, Palette.Series(groups.IndexOf(line.Name))));
            }
        }

        ScatterPoint[] drawn = [.. Points.Where(point => x.Accepts(point.X) && y.Accepts(point.Y))];
        var taken = new List<Box>();
        foreach (ScatterPoint point in drawn)
        {
            double px = x.Map(point.X), py = y.Map(point.Y);
            taken.Add(new Box(px - Radius, py - Radius, px + Radius, py + Radius));
            svg.Add(Svg.Circle(px, py, Radius, Palette.Series(groups.IndexOf(point.Group)), point.Detail ?? point.Label));
        }

        foreach (ScatterPoint point in drawn.Where(point => point.Label.Length > 0))
        {
            AddLabel(svg, point.Label, x.Map(point.X), y.Map(point.Y), frame, taken);
        }

        if (seen.Length == 0)
        {
            frame.AddNoData(svg);
        }

        return svg;
    }

    /// <summary>Right, left, above or below the point, the first place that is free; to the right if none is.</summary>
    private static void AddLabel(XElement svg, string label, double x, double y, PlotFrame frame, List<Box> taken)
    {
        double width = Svg.TextWidth(label, LabelSize);
        (double X, double Y)[] places =
        [
            (x + Radius + 4, y + 4), (x - Radius - 4 - width, y + 4), (x - (width / 2), y - Radius - 5), (x - (width / 2), y + Radius + 13),
        ];
        (double X, double Y) place = places[0];
        foreach ((double X, double Y) candidate in places)
        {
            Box box = BoxOf(candidate, width);
            bool inside = box.Left >= PlotFrame.Left && box.Right <= Svg.Width
                && box.Top >= frame.Top - LabelSize && box.Bottom <= frame.Bottom;
            if (inside && !taken.Exists(box.Overlaps))
            {
                place = candidate;
                break;
            }
        }

        taken.Add(BoxOf(place, width));
        svg.Add(Svg.Text(place.X, place.Y, label, Palette.Ink, size: LabelSize));
    }

    private static Box BoxOf((double X, double Y) baseline, double width) =>
        new(baseline.X, baseline.Y - LabelSize + 2, baseline.X + width, baseline.Y + 3);

    private readonly record struct Box(double Left, double Top, double Right, double Bottom)
    {
        internal bool Overlaps(Box other) => Left < other.Right && other.Left < Right && Top < other.Bottom && other.Top < Bottom;
    }
}
