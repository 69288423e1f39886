using Tessera.Puzzle.Library;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>How well the library's halves stand in for their parents, before and after blockwise distillation.</summary>
internal static class BlockErrorSection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        var entries = run.BlockErrors;
        if (entries.Count == 0)
        {
            return;
        }

        bool trained = entries.Any(entry => entry.After != entry.Before);
        report.Section("Blockwise distillation").Paragraph(
            "Error of a layer whose attention or feed-forward is a variant and whose other half is the parent's: MSE(parent's output, variant's output) / MSE(parent's output, 0) "
            + "on the calibration documents, the parent's own stream as input. 1 is as bad as no output at all."
            + (trained ? string.Empty : " Nothing was trained in this run: the errors are those of the initial weights."));
        string source = $"{PuzzlePaper}: blockwise local distillation.";
        var numbers = Numbers(entries);
        if (trained)
        {
            report.Figure(Map(entries, "Error before distillation", entry => entry.Before), "Variants as they are made from the parent's weights.", source, null);
        }

        report.Figure(
            Map(entries, trained ? "Error after distillation" : "Error of the initial weights", entry => entry.After),
            trained ? "The same variants after training; a cell tells both errors. What training did not improve keeps its initial weights." : null, source, numbers);
        AddPairs(report, run);
    }

    private static void AddPairs(HtmlReport report, CompressionRun run)
    {
        if (run.PairErrors.Count == 0)
        {
            return;
        }

        var rows = new ReportTable("layer", "pair", "before", "after", "change", "steps", "chosen");
        foreach (var pair in run.PairErrors)
        {
            rows.Add(
                pair.Layer, pair.Block, Digits(pair.Before), Digits(pair.After), Departure(pair.After, pair.Before), pair.Steps,
                run.Child.Layers[pair.Layer] == pair.Block ? "yes" : string.Empty);
        }

        report.Paragraph(
            "Pairs of an attention and a feed-forward that were trained as one block (coupled distillation), from the halves as the library has them; the error is that of "
            + "the whole layer. A pair that training did not improve stays its halves.").Table(rows);
    }

    private static HeatMap Map(IReadOnlyList<LibraryEntry> entries, string title, Func<LibraryEntry, double> error)
    {
        string[] columns = [.. entries.Select(entry => entry.Half).Distinct().OrderBy(half => half.StartsWith("ffn", StringComparison.Ordinal))];
        int layers = entries.Max(entry => entry.Layer) + 1;
        var found = entries.GroupBy(entry => (entry.Layer, entry.Half)).ToDictionary(group => group.Key, group => group.First());
        var values = new double[layers, columns.Length];
        for (int layer = 0; layer < layers; layer++)
        {
            for (int column = 0; column < columns.Length; column++)
            {
                values[layer, column] = found.TryGetValue((layer, columns[column]), out var entry) ? error(entry) : double.NaN;
            }
        }

        double[] both = [.. entries.SelectMany(entry => (double[])[entry.Before, entry.After]).Where(value => value > 0 && double.IsFinite(value))];
        return new HeatMap
        {
            Title = title,
            ValueLabel = "normalised error, logarithmic colours",
            Rows = [.. Enumerable.Range(0, layers).Select(layer => $"layer {layer}")],
            Columns = [.. columns.Select(Name)],
            Values = values,
            Format = "G3",
            Logarithmic = true,
            // One scale for both maps: what training won is seen as paler cells.
            Range = (both.DefaultIfEmpty(1).Min(), both.DefaultIfEmpty(1).Max()),
            Cells = (layer, column) => found.TryGetValue((layer, columns[column]), out var entry)
                ? new HeatCell(Digits(error(entry)), $"{Digits(entry.Before)} before, {Digits(entry.After)} after")
                : new HeatCell(string.Empty, "not in the library"),
        };
    }

    private static ReportTable Numbers(IReadOnlyList<LibraryEntry> entries)
    {
        var table = new ReportTable("layer", "half", "before", "after", "change", "steps");
        foreach (var entry in entries)
        {
            table.Add(entry.Layer, Name(entry.Half), Digits(entry.Before), Digits(entry.After), Departure(entry.After, entry.Before), entry.Steps);
        }

        return table;
    }

    /// <summary>The variant's label without the half's, which stands in it again: <c>ffn128</c> for <c>ffn-ffn128</c>.</summary>
    private static string Name(string half) => half.StartsWith("ffn-ffn", StringComparison.Ordinal) ? half["ffn-".Length..]
        : half.StartsWith("mixer-kv", StringComparison.Ordinal) ? half["mixer-".Length..] : half.Replace('-', ' ');
}
