using System.Globalization;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Targets;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Tables;

/// <summary>The pictures and tables of a search in one self-contained page.</summary>
/// <param name="tables">What was searched.</param>
/// <param name="settings">How.</param>
/// <param name="result">What was found.</param>
public sealed class SearchReport(SearchTables tables, TableSearchSettings settings, TableSearchResult result)
{
    private const double LogarithmicFrom = 50;

    private LoadSetSearch Search => result.Chosen.Search;

    private ServedSolution Best => result.Chosen.Best!;

    /// <summary>Writes the page, and for a sweep its curve as a picture and as comma-separated values beside it.</summary>
    /// <param name="folder">Where to; it exists.</param>
    public void Save(string folder)
    {
        var report = new HtmlReport(
            "Search report",
            $"{(tables.Model.Length > 0 ? tables.Model + "; " : string.Empty)}{string.Join(" · ", Search.Loads.Select(load => load.Label))}; targets "
            + $"{(settings.Targets.Count > 0 ? string.Join(", ", settings.Targets.Select(target => target.Text)) : "none")}");
        Solutions(report);
        Limits(report);
        if (result.Batches.Count > 1)
        {
            Batches(report);
        }

        if (result.Sweep.Count > 0)
        {
            var chart = SweepChart();
            report.Section("Sweep").Paragraph(
                "The least score at every limit, with simpler searches beside it. Lower is better; where a line is missing, its search meets no such limit.");
            report.Figure(chart, $"Swept: {settings.Sweep!.Text}.");
            SvgFile.Save(chart, Path.Combine(folder, "sweep.svg"));
            AtomicFile.WriteAllText(Path.Combine(folder, "sweep.csv"), SweepCsv.Text(result.Sweep));
        }

        Blocks(report);
        report.Save(Path.Combine(folder, "report.html"));
    }

    private void Solutions(HtmlReport report)
    {
        report.Section("Solutions").Paragraph(
            $"Score: {(tables.ScoreName.Length > 0 ? tables.ScoreName : "as the tables give it")}, summed over the layers; smaller is better. Throughput counts generated "
            + "tokens, total throughput the prompts' as well. Figures are sums of the tables' costs, not measurements of an assembled model.");
        foreach (var (load, index) in Search.Loads.Select((load, index) => (load, index)))
        {
            var rows = new ReportTable(
                "model", "score", "gap", "memory", "KV", "parameters", "ttft ms", "decode ms", "latency s", "throughput", "total throughput");
            Row(rows, load, "parent", null, null, Search.Parent[index]);
            foreach (var solution in result.Chosen.Solutions.Concat(result.Baselines))
            {
                Row(rows, load, solution.Name, solution.Score, solution.Certificate, solution.Amounts[index]);
            }

            report.Paragraph($"{load.Label}{(load.Machine.Length > 0 ? $" on {load.Machine}" : string.Empty)}{(load.IsPredicted ? ", times predicted and not measured" : string.Empty)}").Table(rows);
        }
    }

    private static void Row(ReportTable rows, LoadTable load, string name, double? score, SearchResult? certificate, Amounts amounts) => rows.Add(
        name, score is { } value ? Number(value, "G5") : "–", certificate is null ? "–" : certificate.Gap.ToString("P3", CultureInfo.InvariantCulture),
        HumanUnits.FormatBytes((long)amounts.MemoryBytes), HumanUnits.FormatBytes((long)amounts.KvBytes), (long)amounts.Parameters,
        load.HasPhases ? Number(amounts.PrefillSeconds * 1e3, "0.###") : "–", load.HasPhases ? Number(amounts.DecodeSeconds * 1e3, "0.####") : "–",
        Number(amounts.RunSeconds, "0.####"), Number(load.GeneratedTokens / amounts.RunSeconds, "N1"), Number(load.AllTokens / amounts.RunSeconds, "N1"));

    private void Limits(HtmlReport report)
    {
        var certificate = Best.Certificate!;
        report.Section("Limits and certificate").Paragraph(FormattableString.Invariant(
            $"No choice of blocks scores below {certificate.LowerBound:G7}; the best found scores {Best.Score:G7}, a gap of {certificate.Gap:P4} ({certificate.Status}, {certificate.Nodes} nodes). The relaxation alone, the Lagrangian bound, gives {certificate.RootBound:G7}."));
        foreach (var use in Search.Limits(Best))
        {
            report.Paragraph(use.Text + ".");
        }
    }

    private void Batches(HtmlReport report)
    {
        var rows = new ReportTable("load", "score", "gap", "memory", "throughput", "total throughput", "Pareto");
        foreach (var batch in result.Batches)
        {
            rows.Add(
                TableSearch.Batches(batch.Search), batch.Best is { } best ? Number(best.Score, "G5") : "not possible",
                batch.Best is { } solved ? solved.Certificate!.Gap.ToString("P3", CultureInfo.InvariantCulture) : "–",
                batch.Best is { } taken ? HumanUnits.FormatBytes((long)taken.Amounts.Max(amounts => amounts.MemoryBytes)) : "–",
                Rates(batch, load => load.GeneratedTokens), Rates(batch, load => load.AllTokens), batch.IsPareto ? "yes" : "no");
        }

        report.Section("Batches").Paragraph("One search for each; a row is on the Pareto front where no other has a lower score, less memory and more throughput at once.").Table(rows);
        report.Figure(new ScatterChart
        {
            Title = "Score against throughput",
            XLabel = "generated tokens/s",
            YLabel = "score",
            Points = [.. result.Batches.Where(batch => batch.Best is not null).Select(batch => new ScatterPoint(
                batch.Search.Loads.Select((load, index) => load.GeneratedTokens / batch.Best!.Amounts[index].RunSeconds).Sum(), batch.Best!.Score,
                TableSearch.Batches(batch.Search), batch.IsPareto ? "Pareto" : "dominated"))],
        });
    }

    private LineChart SweepChart()
    {
        var series = new List<ChartSeries>();
        foreach (var set in result.Sweep.GroupBy(point => point.Loads))
        {
            string suffix = result.Batches.Count > 1 ? $", {string.Join(", ", set.Key.Select(load => $"{load.Scenario} batch {load.Batch}"))}" : string.Empty;
            foreach (string name in (string[])["best", "greedy", "uniform"])
            {
                var points = set.Select(point => (settings.Sweep!.Position(point.Step), (name == "best" ? point.Best?.Score : point.ScoreOf(name)) ?? double.NaN)).ToList();
                if (name == "best" || result.Batches.Count == 1)
                {
                    series.Add(new ChartSeries(name + suffix, points));
                }
            }
        }

        double[] positive = [.. series.SelectMany(line => line.Points).Select(point => point.Y).Where(score => score > 0)];
        return new LineChart
        {
            Title = "Score against the limit",
            XLabel = settings.Sweep!.AxisLabel,
            YLabel = "score",
            // Scores of whole models span orders of magnitude where much is cut.
            LogY = positive.Length > 1 && positive.Max() > LogarithmicFrom * positive.Min(),
            Series = series,
        };
    }

    private void Blocks(HtmlReport report)
    {
        report.Section("Chosen blocks").Figure(
            new BlockMap
            {
                Title = "Parent and child, layer by layer",
                Layers = [.. Best.Variants.Select((variant, layer) => new BlockMapRow(
                    layer.ToString(CultureInfo.InvariantCulture),
                    Cell(tables.Layers[layer].Mixer, variant.Mixer, tables.Mixers), Cell(tables.Layers[layer].FeedForward, variant.FeedForward, tables.FeedForwards)))],
            },
            "Shade: share of the parent's weights that is kept.");
    }

    private static BlockCell Cell(string parent, string child, IReadOnlyDictionary<string, HalfSize> sizes) =>
        new(parent, child, sizes[parent].Parameters > 0 ? Math.Min(1, sizes[child].Parameters / sizes[parent].Parameters) : 0);

    private static string Rates(BatchResult batch, Func<LoadTable, double> tokens) => batch.Best is not { } best ? "–"
        : string.Join(" / ", batch.Search.Loads.Select((load, index) => Number(tokens(load) / best.Amounts[index].RunSeconds, "N1")));

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
