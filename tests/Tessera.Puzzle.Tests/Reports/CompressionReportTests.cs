using System.Globalization;
using System.Xml.Linq;
using Tessera.Puzzle.Reports;
using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Tests.Reports;

public sealed class CompressionReportTests : IDisposable
{
    private readonly SampleRun _sample = new();

    [Fact]
    public void A_page_has_every_section_and_frames_what_was_chosen()
    {
        var result = _sample.Write("run");
        XElement page = Page("run");
        Assert.Equal(
            [
                "Summary", "Chosen blocks", "Scores", "Pareto front", "Predicted against realised", "Blockwise distillation", "Healing",
                "Measured costs of a half", "Provenance",
            ],
            page.Descendants("h2").Select(heading => heading.Value));
        Assert.Empty(page.Descendants("script"));
        // Two maps of halves and one of pairs, each with one frame a layer.
        Assert.Equal(3 * result.Candidates[1].Layers.Count, page.Descendants("rect").Count(rectangle => (string?)rectangle.Attribute("stroke") == "#d55e00"));
        Assert.All(page.Descendants("figure"), figure =>
        {
            Assert.Contains(figure.Descendants("span"), span => (string?)span.Attribute("class") == "source");
            Assert.Single(figure.Descendants("svg"), svg => (string?)svg.Attribute("role") == "img" && svg.Element("title")!.Value.Length > 0);
        });
        string text = page.Value;
        Assert.Contains("1 of 1 targets are met", text, StringComparison.Ordinal);
        Assert.Contains("Command: compress models/sample --out sample", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Hovering_and_tables_tell_scores_with_their_errors_and_what_was_not_scored()
    {
        var result = _sample.Write("run", change: tables => tables with
        {
            // One variant that nobody chose is gone, as one that was given up early.
            Layers = [.. tables.Layers.Select((layer, index) => index > 0 ? layer : layer with
            {
                Variants = [.. layer.Variants.Where(variant => variant.Label != Unchosen)],
            })],
        });
        Assert.NotEqual(Unchosen, result.Candidates[1].Layers[0]);
        XElement page = Page("run");
        Assert.Contains($"layer 0, {Unchosen}: not scored", page.Descendants("title").Select(title => title.Value));
        var tables = SearchTablesReader.Read(Path.Combine(_sample.Folder("run"), "tables.json"));
        var known = tables.Layers[2].Variants.First(variant => variant.Label == "kv1 ffn512");
        string expected = string.Create(CultureInfo.InvariantCulture, $"{known.Score:G3} ± {known.StandardError:G3}");
        Assert.Contains($"layer 2, kv1 ffn512: {expected}", page.Descendants("title").Select(title => title.Value));
        Assert.Contains(expected, page.Descendants("td").Select(cell => cell.Value));
    }

    [Theory]
    [InlineData(1.0, "Additivity holds")]
    [InlineData(1.25, "Additivity holds")]
    [InlineData(1.4, "make each other's damage worse")]
    [InlineData(2.0, "make each other's damage worse")]
    [InlineData(0.5, "damages of its replaced layers overlap")]
    public void Additivity_is_judged_as_the_run_judged_it(double factor, string verdict)
    {
        double predicted = _sample.Write("first").Candidates[1].PredictedDivergence;
        _sample.Write("run", realised: factor * predicted);
        Assert.Contains(verdict, Page("run").Value, StringComparison.Ordinal);
    }

    [Fact]
    public void No_greedy_or_uniform_choice_beats_a_point_of_the_front()
    {
        _sample.Write("run");
        XElement[] charts = [.. Page("run").Descendants("svg").Where(svg => svg.Element("title")!.Value.StartsWith("Predicted KL against", StringComparison.Ordinal))];
        Assert.Equal(2, charts.Length);
        // Better is faster in the first and smaller in the second.
        Check(charts[0], rightIsBetter: true);
        Check(charts[1], rightIsBetter: false);

        static void Check(XElement chart, bool rightIsBetter)
        {
            (double X, double Y)[][] lines = [.. chart.Elements("path").Select(path => path.Attribute("d")!.Value.TrimStart('M').Split('L')
                .Select(point => point.Split(' ')).Select(point => (double.Parse(point[0], CultureInfo.InvariantCulture), double.Parse(point[1], CultureInfo.InvariantCulture))).ToArray())];
            Assert.Equal(3, lines.Length);
            // Pixels grow downward: a lower KL has the larger y. What costs no more than a point of the front meets its limit, and cannot be lower.
            Assert.All(lines[0], front => Assert.DoesNotContain(
                lines.Skip(1).SelectMany(line => line), other => (rightIsBetter ? other.X >= front.X : other.X <= front.X) && other.Y > front.Y + 0.2));
            Assert.True(lines[0].Length >= 5);
        }
    }

    [Fact]
    public void What_earlier_versions_left_is_read_and_what_they_did_not_is_left_out()
    {
        _sample.Write("run", namesStages: false);
        string folder = _sample.Folder("run");
        File.Delete(Path.Combine(folder, "tables.json"));
        string library = Directory.GetDirectories(folder, "library-*").Single();
        File.Delete(Path.Combine(library, "library.json"));
        File.WriteAllText(Path.Combine(library, "quality.jsonl"), """{"key":"3/mixer-kv1","value":{"before":0.5,"after":0.25}}""" + "\n");
        var run = CompressionRun.Read(folder);
        Assert.Null(run.Tables);
        Assert.Equal((3, "mixer-kv1", 0.5, 0.25), (run.BlockErrors[0].Layer, run.BlockErrors[0].Half, run.BlockErrors[0].Before, run.BlockErrors[0].After));
        string[] headings = [.. Page("run").Descendants("h2").Select(heading => heading.Value)];
        Assert.Equal(["Summary", "Chosen blocks", "Scores", "Predicted against realised", "Blockwise distillation", "Healing", "Provenance"], headings);
    }

    [Fact]
    public void Pairs_that_were_trained_are_listed_with_those_that_the_child_has()
    {
        var result = _sample.Write("run", namesStages: false);
        Assert.DoesNotContain("Pairs of an attention", Page("run").Value, StringComparison.Ordinal);
        var pairs = SampleRun.Stage(_sample.Folder("run"), "pairs", ("steps", "8"));
        File.WriteAllText(pairs.PathOf("pairs.json"), System.Text.Json.JsonSerializer.Serialize(
            [new(1, result.Candidates[1].Layers[1], "weights/a.safetensors", 0.5, 0.125, 8), new(2, "kv1 linear", null, 0.25, 0.25, 8)],
            PuzzleJson.Default.PairEntryArray));
        string[] rows = [.. Page("run").Descendants("tr").Select(row => string.Join('|', row.Elements().Select(cell => cell.Value)))];
        Assert.Contains($"1|{result.Candidates[1].Layers[1]}|0.5|0.125|-75.0 %|8|yes", rows);
        Assert.Contains("2|kv1 linear|0.25|0.25|+0.0 %|8|", rows);
    }

    [Fact]
    public void An_earlier_result_of_a_folder_is_not_shown_with_later_scores()
    {
        _sample.Write("run", seed: 1);
        string folder = _sample.Folder("run");
        var earlier = SampleRun.Stage(folder, "result", ("targets", "earlier"));
        File.Copy(Path.Combine(folder, "result.json"), earlier.PathOf("result.json"));
        Assert.NotNull(CompressionRun.Read(earlier.FullPath).Tables);
        _sample.Write("run", seed: 2);
        var run = CompressionRun.Read(earlier.FullPath);
        Assert.Null(run.Tables);
        Assert.Null(run.WrittenBytes);
        Assert.NotEmpty(run.BlockErrors);
    }

    [Fact]
    public void Healing_has_a_picture_for_every_quantity_that_was_recorded()
    {
        _sample.Write("run");
        string heal = Directory.GetDirectories(_sample.Folder("run"), "heal-*").Single();
        using (var metrics = Runs.MetricsWriter.Open(Path.Combine(heal, "metrics.jsonl")))
        {
            metrics.Write(3, ("validation.correct", 10), ("validation.problems", 40), ("validation.divergence@64", 0.2));
        }

        XElement section = Page("run");
        Assert.Equal(
            ["KL from the parent", "Distance of hidden states, 1 − cos", "Accuracy on the way"],
            section.Descendants("svg").Select(svg => svg.Element("title")!.Value).Where(title => title is "KL from the parent" or "Cross-entropy on the data" || title.Contains("1 − cos", StringComparison.Ordinal) || title.StartsWith("Accuracy", StringComparison.Ordinal)));
        Assert.Contains("0.25", section.Descendants("summary").Single(summary => summary.Value.StartsWith("Accuracy", StringComparison.Ordinal)).Parent!.Descendants("td").Select(cell => cell.Value));
        string[] curves = [.. section.Descendants("summary").Single(summary => summary.Value.StartsWith("KL from the parent", StringComparison.Ordinal)).Parent!.Descendants("tr").Skip(1).Select(row => row.Elements("td").First().Value)];
        Assert.Equal(["training", "validation", "validation @64"], curves);
    }

    [Fact]
    public void Several_runs_share_a_table_of_results_one_of_differences_and_a_picture()
    {
        _sample.Write("one", losses: "cosine + KL");
        _sample.Write("two", losses: "LM");
        XElement page = XDocument.Parse(new ComparisonReport(
            [CompressionRun.Read(_sample.Folder("one")), CompressionRun.Read(_sample.Folder("two"))]).Page().ToHtml()).Root!;
        Assert.Equal(
            ["Results", "What differs", "Realised KL against speed", "Against simpler choices", "Healing"], page.Descendants("h2").Select(heading => heading.Value));
        string[][] differing = Rows(page, 1);
        Assert.Equal(["heal: losses", "cosine + KL", "LM"], Assert.Single(differing));
        Assert.Equal(["one", "two"], Rows(page, 0).Select(row => row[0]));
    }

    [Fact]
    public void A_folder_without_a_result_or_with_a_damaged_one_is_named()
    {
        string folder = _sample.Folder("empty");
        Directory.CreateDirectory(folder);
        Assert.Contains("there is no result.json", Assert.Throws<InvalidDataException>(() => CompressionRun.Read(folder)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "result.json"), """{"scenario": 3}""");
        Assert.Contains("result.json: not the result of a compress", Assert.Throws<InvalidDataException>(() => CompressionRun.Read(folder)).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _sample.Dispose();

    private const string Unchosen = "none none";

    private static string[][] Rows(XElement page, int table) =>
        [.. page.Descendants("table").ElementAt(table).Element("tbody")!.Elements("tr").Select(row => row.Elements("td").Select(cell => cell.Value).ToArray())];

    private XElement Page(string name) => XDocument.Parse(new CompressionReport(CompressionRun.Read(_sample.Folder(name))).Page().ToHtml()).Root!;
}
