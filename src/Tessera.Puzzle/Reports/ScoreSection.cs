using Tessera.Puzzle.Tables;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>Scores of all variants of all layers as heat maps on a logarithmic scale, what was chosen framed.</summary>
internal static class ScoreSection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        report.Section("Scores");
        if (run.Tables is not { } tables)
        {
            report.Paragraph("The run's folder holds no tables of this result's scores.");
            return;
        }

        report.Paragraph(
            $"{(tables.ScoreName.Length > 0 ? tables.ScoreName : "Scores as the tables give them")}; smaller is better. The search adds up one score a layer. "
            + "Framed: the child's choice. A dash marks what was not scored, because it was left out or given up early.");
        const string Seen = "Colours step by equal ratios. Point at a cell for its value and standard error. ";
        string source = $"{PuzzlePaper}: replace-one-block scores.";
        report.Figure(
            Halves(run, tables, "Attention variants", isMixer: true), Seen + "The layer's feed-forward is the parent's.", source,
            Numbers(tables, pair => pair.Variant.FeedForward == pair.Layer.FeedForward, variant => variant.Mixer));
        report.Figure(
            Halves(run, tables, "Feed-forward variants", isMixer: false), Seen + "The layer's attention is the parent's.", source,
            Numbers(tables, pair => pair.Variant.Mixer == pair.Layer.Mixer, variant => variant.FeedForward));
        report.Figure(
            Pairs(run, tables), Seen + "All pairs that the search chooses from.", source, Numbers(tables, _ => true, variant => variant.Label));
    }

    private static HeatMap Halves(CompressionRun run, SearchTables tables, string title, bool isMixer)
    {
        string Half(ScoredVariant variant) => isMixer ? variant.Mixer : variant.FeedForward;
        ScoredVariant? Find(int layer, string half) => tables.Layers[layer].Variants.FirstOrDefault(variant => Half(variant) == half
            && (isMixer ? variant.FeedForward == tables.Layers[layer].FeedForward : variant.Mixer == tables.Layers[layer].Mixer));
        string[] chosen = [.. run.Child.Layers.Select(label => isMixer ? label.Split(' ')[0] : label.Split(' ')[^1])];
        string[] columns = [.. tables.Layers.SelectMany(layer => layer.Variants).Select(Half).Distinct()];
        return Map(tables, title, columns, Find, (layer, column) => columns[column] == chosen[layer], showsValues: true);
    }

    private static HeatMap Pairs(CompressionRun run, SearchTables tables)
    {
        string[] columns = [.. tables.Layers.SelectMany(layer => layer.Variants).Select(variant => variant.Label).Distinct()];
        return Map(
            tables, "All pairs of attention and feed-forward", columns,
            (layer, label) => tables.Layers[layer].Variants.FirstOrDefault(variant => variant.Label == label),
            (layer, column) => columns[column] == run.Child.Layers[layer], showsValues: false);
    }

    private static HeatMap Map(
        SearchTables tables, string title, string[] columns, Func<int, string, ScoredVariant?> find, Func<int, int, bool> isChosen, bool showsValues)
    {
        var values = new double[tables.Layers.Count, columns.Length];
        for (int layer = 0; layer < tables.Layers.Count; layer++)
        {
            for (int column = 0; column < columns.Length; column++)
            {
                values[layer, column] = find(layer, columns[column]) is { } variant && IsKnown(variant) ? variant.Score : double.NaN;
            }
        }

        return new HeatMap
        {
            Title = title,
            ValueLabel = "score, logarithmic colours",
            Rows = [.. Enumerable.Range(0, tables.Layers.Count).Select(layer => $"layer {layer}")],
            Columns = columns,
            Values = values,
            Format = "G3",
            Logarithmic = true,
            ShowsValues = showsValues,
            Cells = (layer, column) => find(layer, columns[column]) is { } variant && IsKnown(variant)
                ? new HeatCell(Digits(variant.Score), Detail(tables.Layers[layer], variant), isChosen(layer, column))
                : new HeatCell("–", find(layer, columns[column])?.IsRacedOut == true ? "given up in a race" : "not scored", isChosen(layer, column)),
        };
    }

    private static bool IsKnown(ScoredVariant variant) => !variant.IsRacedOut && double.IsFinite(variant.Score);

    private static string Detail(LayerTable layer, ScoredVariant variant) => variant.Mixer == layer.Mixer && variant.FeedForward == layer.FeedForward
        ? "the parent's own" : WithError(variant.Score, variant.StandardError);

    private static ReportTable Numbers(
        SearchTables tables, Func<(LayerTable Layer, ScoredVariant Variant), bool> isShown, Func<ScoredVariant, string> name)
    {
        string[] columns = [.. tables.Layers.SelectMany(layer => layer.Variants.Where(variant => isShown((layer, variant))).Select(name)).Distinct()];
        var table = new ReportTable(["layer", .. columns]);
        for (int index = 0; index < tables.Layers.Count; index++)
        {
            var layer = tables.Layers[index];
            var shown = layer.Variants.Where(variant => isShown((layer, variant))).ToLookup(name);
            table.Add([index, .. columns.Select(column => shown[column].FirstOrDefault() is { } variant ? Detail(layer, variant) : "–")]);
        }

        return table;
    }
}
