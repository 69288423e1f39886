using System.Globalization;
using System.Xml.Linq;
using Tessera.Runs.Report;

namespace Tessera.Runs.Tests.Report;

public class FigureTests
{
    public static TheoryData<string> Every => ["blocks", "losses", "validation", "frontier", "costs", "scores"];

    [Theory]
    [MemberData(nameof(Every))]
    public void A_figure_is_well_formed_and_stays_inside_its_frame(string name)
    {
        XElement svg = XDocument.Parse(Figure(name).ToSvg().ToString()).Root!;
        double[] box = [.. svg.Attribute("viewBox")!.Value.Split(' ').Select(Number)];
        Assert.Equal(Figure(name).Title, svg.Element("title")!.Value);
        foreach (XElement element in svg.Descendants())
        {
            foreach (string side in new[] { "x", "x1", "x2", "cx" })
            {
                Assert.InRange(Number(element.Attribute(side)?.Value ?? "0"), -0.5, box[2] + 0.5);
            }

            foreach (string side in new[] { "y", "y1", "y2", "cy" })
            {
                Assert.InRange(Number(element.Attribute(side)?.Value ?? "0"), -0.5, box[3] + 0.5);
            }

            double right = Number(element.Attribute("x")?.Value ?? "0") + Number(element.Attribute("width")?.Value ?? "0");
            Assert.InRange(right, 0, box[2] + 0.5);
        }
    }

    [Fact]
    public void Points_of_a_line_lie_at_linear_shares_between_their_ticks()
    {
        var chart = new LineChart
        {
            Title = "t",
            XLabel = "step",
            YLabel = "loss, nats",
            Series = [new ChartSeries("a", [(0, 0), (1, 5), (2, 10)])],
        };
        XElement svg = chart.ToSvg();
        (double X, double Y)[] points = [.. svg.Elements("circle").Select(circle => (Value(circle, "cx"), Value(circle, "cy")))];
        Assert.Equal(3, points.Length);
        Assert.Equal((points[0].X + points[2].X) / 2, points[1].X, 0.02);
        Assert.Equal((points[0].Y + points[2].Y) / 2, points[1].Y, 0.02);
        Assert.True(points[2].Y < points[0].Y);
        string[] texts = Texts(svg);
        Assert.All(["step", "loss, nats", "0", "2", "4", "6", "8", "10", "0.5", "1.5"], text => Assert.Contains(text, texts));
    }

    [Fact]
    public void A_logarithmic_axis_gives_equal_ratios_equal_lengths_and_skips_what_is_not_positive()
    {
        var chart = new LineChart
        {
            Title = "t",
            XLabel = "x",
            YLabel = "y",
            LogY = true,
            Series = [new ChartSeries("a", [(0, 1), (1, 10), (2, 100), (3, 0), (4, 1000)])],
        };
        XElement svg = chart.ToSvg();
        double[] heights = [.. svg.Elements("circle").Select(circle => Value(circle, "cy"))];
        Assert.Equal(4, heights.Length);
        Assert.Equal(heights[0] - heights[1], heights[1] - heights[2], 0.02);
        Assert.Equal(heights[1] - heights[2], heights[2] - heights[3], 0.02);
        Assert.Single(svg.Elements("path"));
        Assert.All(["1", "10", "100", "1,000"], label => Assert.Contains(label, Texts(svg)));
    }

    [Fact]
    public void A_long_series_is_thinned_without_losing_its_spike()
    {
        (double, double)[] points = [.. Enumerable.Range(0, 100_000).Select(i => ((double)i, i == 61_234 ? 50.0 : Math.Sin(i)))];
        var chart = new LineChart { Title = "t", XLabel = "x", YLabel = "y", Series = [new ChartSeries("a", points)] };
        string path = Assert.Single(chart.ToSvg().Elements("path")).Attribute("d")!.Value;
        double[] heights = [.. path.TrimStart('M').Split('L').Select(point => Number(point.Split(' ')[1]))];
        Assert.InRange(heights.Length, 400, 1700);
        Assert.Single(heights, height => height < heights.Average() - 200);
    }

    [Fact]
    public void Several_series_get_a_legend_and_different_colours()
    {
        XElement svg = SampleReport.Losses().ToSvg();
        Assert.All(SampleReport.Losses().Series, series => Assert.Contains(series.Name, Texts(svg)));
        Assert.Equal(3, svg.Elements("path").Select(path => path.Attribute("stroke")!.Value).Distinct().Count());
    }

    [Fact]
    public void Bars_are_as_long_as_their_values_from_zero()
    {
        var chart = new BarChart
        {
            Title = "t",
            ValueLabel = "us",
            Bars = [new("a", 10, "10 us"), new("b", 40, "40 us"), new("c", -20, "-20 us"), new("d", double.NaN, "?")],
        };
        double[] widths = [.. chart.ToSvg().Elements("rect").Select(bar => Value(bar, "width"))];
        Assert.Equal(4 * widths[0], widths[1], 0.1);
        Assert.Equal(2 * widths[0], widths[2], 0.1);
        Assert.Equal(0, widths[3]);
        Assert.All(["a", "10 us", "-20 us", "?", "us"], text => Assert.Contains(text, Texts(chart.ToSvg())));
    }

    [Fact]
    public void Cells_of_a_heat_map_show_their_values_and_darken_with_them()
    {
        var map = new HeatMap
        {
            Title = "t",
            ValueLabel = "v",
            Rows = ["r"],
            Columns = ["a", "b", "c"],
            Values = new[,] { { 1.0, 2.5, double.NaN } },
            Format = "0.0",
        };
        XElement svg = map.ToSvg();
        Assert.All(["1.0", "2.5", "r", "a", "b", "c", "v"], text => Assert.Contains(text, Texts(svg)));
        XElement[] cells = [.. svg.Elements("rect").Where(cell => Value(cell, "height") > 20)];
        Assert.Equal(3, cells.Length);
        Assert.True(Brightness(cells[0]) > Brightness(cells[1]) + 100);
        Assert.Throws<InvalidOperationException>(() => new HeatMap
        {
            Title = "t",
            ValueLabel = "v",
            Rows = ["r"],
            Columns = ["a"],
            Values = new double[2, 1],
        }.ToSvg());
    }

    [Fact]
    public void Logarithmic_colours_step_by_ratios_and_marked_cells_are_framed_on_top()
    {
        var map = new HeatMap
        {
            Title = "t",
            ValueLabel = "v",
            Rows = ["r"],
            Columns = ["a", "b", "c", "d"],
            Values = new[,] { { 1e-4, 1e-2, 1.0, 0 } },
            Logarithmic = true,
            Cells = (_, column) => column switch { 1 => new HeatCell("x", "x ± y", IsMarked: true), 3 => new HeatCell(Detail: "nothing"), _ => null },
        };
        XElement svg = map.ToSvg();
        XElement[] cells = [.. svg.Elements("rect").Where(cell => Value(cell, "height") > 20 && cell.Attribute("stroke") is null)];
        Assert.True(Brightness(cells[0]) > Brightness(cells[1]) + 50 && Brightness(cells[1]) > Brightness(cells[2]) + 50);
        Assert.Equal(cells[0].Attribute("fill")!.Value, cells[3].Attribute("fill")!.Value);
        Assert.Equal(["r, a: 0", "r, b: x ± y", "r, c: 1", "r, d: nothing"], cells.Select(cell => cell.Element("title")!.Value));
        XElement frame = Assert.Single(svg.Elements("rect"), cell => cell.Attribute("stroke") is not null);
        Assert.Same(svg.Elements().Last(), frame);
        Assert.InRange(Value(frame, "x"), Value(cells[1], "x"), Value(cells[1], "x") + 3);
    }

    [Fact]
    public void Lines_behind_points_have_the_colour_of_their_group()
    {
        var chart = new ScatterChart
        {
            Title = "t",
            XLabel = "x",
            YLabel = "y",
            LogX = true,
            LogY = true,
            Lines = [new ChartSeries("front", [(1, 1), (10, 10), (100, 0)])],
            Points = [new(10, 10, "", "front"), new(0, 1, "lost", "front"), new(100, 1, "p", "other")],
        };
        XElement svg = chart.ToSvg();
        XElement path = Assert.Single(svg.Elements("path"));
        XElement[] circles = [.. svg.Elements("circle")];
        Assert.Equal(2, circles.Length);
        Assert.Equal(path.Attribute("stroke")!.Value, circles[0].Attribute("fill")!.Value);
        Assert.EndsWith($"L{circles[0].Attribute("cx")!.Value} {circles[0].Attribute("cy")!.Value}", path.Attribute("d")!.Value, StringComparison.Ordinal);
        Assert.DoesNotContain("lost", Texts(svg));
    }

    [Fact]
    public void The_map_of_blocks_shows_parent_child_and_share_of_every_layer()
    {
        var map = new BlockMap
        {
            Title = "t",
            Layers =
            [
                new("0", new("8 KV", "2 KV", 0.25), new("14336", "none", 0)),
                new("1", new("8 KV", "8 KV", 1), new("14336", "7168", 0.5)),
            ],
        };
        XElement svg = map.ToSvg();
        string[] expected = ["8 KV", "2 KV", "14336", "none", "7168", "25.0%", "0.0%", "100.0%", "50.0%"];
        Assert.All(expected, text => Assert.Contains(text, Texts(svg)));
        double[] bars = [.. svg.Elements("rect").Where((_, index) => index % 2 == 1).Select(bar => Value(bar, "width"))];
        Assert.Equal([bars[2] * 0.25, 0, bars[2], bars[2] * 0.5], bars, (wanted, drawn) => Math.Abs(wanted - drawn) < 0.02);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Charts_without_data_say_so(bool logarithmic)
    {
        var line = new LineChart { Title = "t", XLabel = "x", YLabel = "y", LogY = logarithmic, Series = [] };
        var gaps = new LineChart { Title = "t", XLabel = "x", YLabel = "y", LogY = logarithmic, Series = [new("a", [(0, double.NaN)])] };
        var scatter = new ScatterChart { Title = "t", XLabel = "x", YLabel = "y", Points = [] };
        Assert.All(new IFigure[] { line, gaps, scatter }, figure => Assert.Contains("no data", Texts(figure.ToSvg())));
        Assert.DoesNotContain("NaN", line.ToSvg().ToString() + gaps.ToSvg() + scatter.ToSvg(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 5)]
    [InlineData(1e-7, 3e-7)]
    [InlineData(-3, 12_000_000)]
    [InlineData(999, 1001)]
    [InlineData(2.1, 2.3, true)]
    [InlineData(1.08, 7.3, true)]
    [InlineData(1e-4, 2e-1, true)]
    [InlineData(3, 3e14, true)]
    public void Axes_have_three_to_twelve_ticks_in_order_for_any_range(double low, double high, bool logarithmic = false)
    {
        ChartSeries series = new("a", [(0, low), (1, high)]);
        var chart = new LineChart { Title = "t", XLabel = "x", YLabel = "y", LogY = logarithmic, Series = [series] };
        XElement svg = chart.ToSvg();
        XElement[] ticks = [.. svg.Elements("text").Where(text => text.Attribute("text-anchor")!.Value == "end")];
        Assert.InRange(ticks.Length, 3, 12);
        Assert.Equal(ticks.Length, ticks.Select(tick => tick.Value).Distinct().Count());
        Assert.Equal(ticks.Select(tick => Value(tick, "y")).OrderDescending(), ticks.Select(tick => Value(tick, "y")));
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);

        // Without a legend the plot reaches from 40 to 340 units below the top.
        double[] points = [.. svg.Elements("circle").Select(circle => Value(circle, "cy"))];
        Assert.All(points.Concat(ticks.Select(tick => Value(tick, "y") - 4)), height => Assert.InRange(height, 39.98, 340.02));
    }

    [Fact]
    public void Labels_of_near_points_do_not_overlap()
    {
        var chart = new ScatterChart
        {
            Title = "t",
            XLabel = "x",
            YLabel = "y",
            Points = [new(0, 0, ""), new(50, 50, "first"), new(51, 50, "second"), new(100, 100, "")],
        };
        XElement[] labels = [.. chart.ToSvg().Elements("text").Where(text => text.Value is "first" or "second")];
        double first = Value(labels[0], "x"), second = Value(labels[1], "x");
        Assert.True(Math.Abs(first - second) > 40 || Math.Abs(Value(labels[0], "y") - Value(labels[1], "y")) > 12);
    }

    private static IFigure Figure(string name) => name switch
    {
        "blocks" => SampleReport.Blocks(),
        "losses" => SampleReport.Losses(),
        "validation" => SampleReport.Validation(),
        "frontier" => SampleReport.Frontier(),
        "costs" => SampleReport.Costs(),
        _ => SampleReport.Scores(),
    };

    private static string[] Texts(XElement svg) => [.. svg.Elements("text").Select(text => text.Value)];

    private static double Value(XElement element, string attribute) => Number(element.Attribute(attribute)!.Value);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static int Brightness(XElement cell)
    {
        string colour = cell.Attribute("fill")!.Value;
        return Enumerable.Range(0, 3).Sum(i => Convert.ToInt32(colour.Substring(1 + (2 * i), 2), 16));
    }
}
