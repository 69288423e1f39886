using System.Text.RegularExpressions;
using System.Xml.Linq;
using Tessera.Runs.Report;

namespace Tessera.Runs.Tests.Report;

public class HtmlReportTests
{
    private const string Hostile = "<script>alert('x')</script> & \"q\" \u0001 \ud800";

    [Fact]
    public void A_report_is_one_well_formed_file_without_scripts_or_references()
    {
        string html = SampleReport.Create().ToHtml();
        XElement page = Parse(html);
        Assert.Equal("Compression of a 12-layer model", page.Element("head")!.Element("title")!.Value);
        Assert.Equal(4, page.Descendants("h2").Count());
        Assert.Equal(6, page.Descendants("svg").Count());
        Assert.Empty(page.Descendants("script"));
        Assert.DoesNotContain("http", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("url(", html, StringComparison.OrdinalIgnoreCase);
        Assert.All(page.Descendants().Attributes("href"), link => Assert.StartsWith("#", link.Value, StringComparison.Ordinal));
        Assert.Empty(page.Descendants().Attributes("src"));
    }

    [Fact]
    public void Links_of_the_contents_lead_to_the_sections()
    {
        XElement page = Parse(SampleReport.Create().ToHtml());
        Assert.Equal(
            page.Descendants("h2").Select(heading => ("#" + heading.Attribute("id")!.Value, heading.Value)),
            page.Descendants("a").Select(link => (link.Attribute("href")!.Value, link.Value)));
    }

    [Fact]
    public void Links_lead_to_files_below_the_report_and_nowhere_else()
    {
        string[] paths = ["a/report.html", "javascript:alert(1)", "with space/#1?.html"];
        XElement page = Parse(new HtmlReport("t", "s").Links("See", paths.Select(path => (Hostile, path))).ToHtml());
        Assert.Equal(
            ["a/report.html", "javascript%3Aalert%281%29", "with%20space/%231%3F.html"],
            page.Descendants("a").Select(link => link.Attribute("href")!.Value));
        Assert.StartsWith("See <script>", page.Descendants("p").Last().Value, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new HtmlReport("t", "s").Links("See", [("x", "/etc/passwd")]));
        Assert.Throws<ArgumentException>(() => new HtmlReport("t", "s").Links("See", [("x", "//host/x")]));
    }

    // HTML parsers read <td /> as an opening tag, and the content of a style element unescaped.
    [Fact]
    public void Only_void_html_elements_close_themselves_and_the_style_holds_no_escapes()
    {
        string html = Regex.Replace(SampleReport.Create().ToHtml(), "<svg.*?</svg>", string.Empty, RegexOptions.Singleline);
        Assert.All(Regex.Matches(html, "<([a-z0-9]+)[^>]*/>").Select(match => match.Groups[1].Value), name => Assert.Equal("meta", name));
        Assert.DoesNotContain("&", Regex.Match(html, "<style>.*</style>", RegexOptions.Singleline).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Figures_come_with_their_source_and_numbers_in_boxes_that_the_keyboard_reaches()
    {
        var line = new LineChart { Title = "Loss", XLabel = "x", YLabel = "y", Series = [new ChartSeries("a", [(0, 1)])] };
        XElement page = Parse(new HtmlReport("t", "s").Figure(line, "What is seen.", "A paper.", new ReportTable("x", "y").Add(0, 1)).ToHtml());
        XElement figure = Assert.Single(page.Descendants("figure"));
        Assert.Equal("What is seen.A paper.", figure.Element("figcaption")!.Value);
        Assert.Equal("Loss: the numbers", figure.Element("details")!.Element("summary")!.Value);
        Assert.All(figure.Descendants("div"), box => Assert.Equal(("0", "region", "Loss"), (box.Attribute("tabindex")!.Value, box.Attribute("role")!.Value, box.Attribute("aria-label")!.Value)));
        Assert.All(figure.Descendants("th"), header => Assert.Equal("col", header.Attribute("scope")!.Value));
    }

    // Text on a dark page must be light; what stands on coloured cells must not change with the page.
    [Fact]
    public void Every_colour_of_text_and_lines_has_a_counterpart_on_a_dark_page()
    {
        XElement page = Parse(SampleReport.Create().ToHtml());
        string style = page.Descendants("style").Single().Value;
        string[] inks = [.. page.Descendants("svg").Elements("text").Attributes("fill").Select(fill => fill.Value).Distinct()];
        string[] onCells = ["#10161c", "#ffffff"];
        Assert.All(inks.Except(onCells), ink => Assert.Contains($"svg [fill='{ink}']", style, StringComparison.Ordinal));
        Assert.All(onCells, ink => Assert.DoesNotContain($"[fill='{ink}']", style, StringComparison.Ordinal));
        Assert.All(
            page.Descendants("svg").Elements("line").Attributes("stroke").Select(stroke => stroke.Value).Distinct(),
            stroke => Assert.Contains($"svg [stroke='{stroke}']", style, StringComparison.Ordinal));
    }

    [Fact]
    public void Hostile_text_is_escaped_everywhere()
    {
        var report = new HtmlReport(Hostile, Hostile);
        ChartSeries line = new(Hostile, [(0, 1)]);
        report.Section(Hostile).Section(Hostile).Section(Hostile).Paragraph(Hostile)
            .Table(new ReportTable(Hostile).Add(Hostile))
            .Figure(new LineChart { Title = Hostile, XLabel = Hostile, YLabel = Hostile, Series = [line, line] }, Hostile)
            .Figure(new ScatterChart { Title = Hostile, XLabel = Hostile, YLabel = Hostile, Points = [new(0, 1, Hostile, Hostile)] })
            .Figure(new BarChart { Title = Hostile, ValueLabel = Hostile, Bars = [new(Hostile, 1, Hostile, Hostile)] })
            .Figure(new HeatMap { Title = Hostile, ValueLabel = Hostile, Rows = [Hostile], Columns = [Hostile], Values = new double[1, 1] })
            .Figure(new BlockMap { Title = Hostile, Layers = [new(Hostile, new(Hostile, Hostile, 1), new(Hostile, Hostile, double.NaN))] });
        string html = report.ToHtml();
        XElement page = Parse(html);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.DoesNotContain('\u0001', html);
        Assert.DoesNotContain('\ud800', html);
        Assert.Contains("<script>alert('x')</script> & \"q\" \uFFFD \uFFFD", page.Descendants("p").Select(paragraph => paragraph.Value));
    }

    [Fact]
    public void Tables_align_columns_of_numbers_to_the_right()
    {
        var table = new ReportTable("name", "count", "value", "spread", "mixed")
            .Add("a", 1_234_567, 0.123456, "1.5 ± 0.2", "1")
            .Add("2b", 7L, 12345.6, "-3 ms", "none")
            .Add("c", null, double.NaN, "–", 2.5m);
        XElement page = Parse(new HtmlReport("t", "s").Table(table).ToHtml());
        Assert.Equal(
            ["count", "value", "spread"],
            page.Descendants("th").Where(header => header.Attribute("class")?.Value == "number").Select(header => header.Value));
        Assert.Equal(
            ["a", "1,234,567", "0.12346", "1.5 ± 0.2", "1", "2b", "7", "12,346", "-3 ms", "none", "c", "", "NaN", "–", "2.5"],
            page.Descendants("td").Select(cell => cell.Value));
        Assert.Throws<ArgumentException>(() => table.Add("too", "few"));
    }

    [Fact]
    public void A_saved_report_is_what_was_built()
    {
        using var folder = new TemporaryFolder();
        SampleReport.Create().Save(folder["report.html"]);
        Assert.Equal(SampleReport.Create().ToHtml(), File.ReadAllText(folder["report.html"]));
        Assert.InRange(new FileInfo(folder["report.html"]).Length, 10_000, 300_000);
    }

    private static XElement Parse(string html)
    {
        Assert.StartsWith("<!DOCTYPE html>\n<html", html, StringComparison.Ordinal);
        return XDocument.Parse(html).Root!;
    }
}
