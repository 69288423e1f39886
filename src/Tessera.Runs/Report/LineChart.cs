using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>Lines over a common axis: loss over steps, throughput over batch size.</summary>
/// <remarks>
/// Of long series the first, lowest, highest and last point of every bin of x are drawn, so spikes stay visible and the file
/// stays small.
/// </remarks>
public sealed class LineChart : IFigure
{
    private const int Bins = 400;
    private const int MostMarkers = 40;

    /// <inheritdoc />
    public required string Title { get; init; }

    /// <summary>Quantity along the bottom, with its unit.</summary>
    public required string XLabel { get; init; }

    /// <summary>Quantity along the side, with its unit.</summary>
    public required string YLabel { get; init; }

    /// <summary>Draw y logarithmically; points that are not positive leave gaps.</summary>
    public bool LogY { get; init; }

    /// <summary>The lines.</summary>
    public required IReadOnlyList<ChartSeries> Series { get; init; }

    /// <inheritdoc />
    public XElement ToSvg()
    {
        var frame = new PlotFrame([.. Series.Select(series => series.Name)]);
        (double X, double Y)[] points = [.. Series.SelectMany(series => series.Points)];
        var x = new Axis(points.Select(point => point.X), (PlotFrame.Left, PlotFrame.Right), rounded: false);
        var y = new Axis(points.Select(point => point.Y), (frame.Bottom, frame.Top), LogY);
        XElement svg = frame.Draw(Title, XLabel, YLabel, x, y);
        bool any = false;
        for (int index = 0; index < Series.Count; index++)
        {
            foreach (List<(double X, double Y)> segment in Segments(Series[index], x, y))
            {
                any = true;
                AddSegment(svg, segment, Series[index], Palette.Series(index));
            }
        }

        if (!any)
        {
            frame.AddNoData(svg);
        }

        return svg;
    }

    private static IEnumerable<List<(double X, double Y)>> Segments(ChartSeries series, Axis x, Axis y)
    {
        var segment = new List<(double X, double Y)>();
        foreach ((double px, double py) in series.Points)
        {
            if (x.Accepts(px) && y.Accepts(py))
            {
                segment.Add((x.Map(px), y.Map(py)));
            }
            else if (segment.Count > 0)
            {
                yield return segment;
                segment = [];
            }
        }

        if (segment.Count > 0)
        {
            yield return segment;
        }
    }

    private static void AddSegment(XElement svg, List<(double X, double Y)> segment, ChartSeries series, string colour)
    {
        if (segment.Count > 1)
        {
            svg.Add(Svg.Path(Thin(segment), colour));
        }

        if (segment.Count == 1 || series.Points.Count <= MostMarkers)
        {
            foreach ((double px, double py) in segment)
            {
                svg.Add(Svg.Circle(px, py, 3, colour));
            }
        }
    }

    private static IEnumerable<(double X, double Y)> Thin(List<(double X, double Y)> points)
    {
        if (points.Count <= 4 * Bins)
        {
            return points;
        }

        return points
            .GroupBy(point => (int)((point.X - PlotFrame.Left) / (PlotFrame.Right - PlotFrame.Left) * Bins))
            .SelectMany(bin => Corners([.. bin]));
    }

    private static IEnumerable<(double X, double Y)> Corners((double X, double Y)[] bin)
    {
        int lowest = 0, highest = 0;
        for (int i = 1; i < bin.Length; i++)
        {
            lowest = bin[i].Y < bin[lowest].Y ? i : lowest;
            highest = bin[i].Y > bin[highest].Y ? i : highest;
        }

        return new SortedSet<int> { 0, lowest, highest, bin.Length - 1 }.Select(i => bin[i]);
    }
}
