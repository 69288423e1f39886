using Tessera.Puzzle.Tables;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>What every half of a layer costs in the run's load.</summary>
internal static class CostSection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        if (run.Tables is not { } tables)
        {
            return;
        }

        var load = tables.Loads[0];
        report.Section(load.IsPredicted ? "Predicted costs of a half, not measured" : "Measured costs of a half");
        var rows = new ReportTable("half", "parameters", "weight bytes", "KV bytes/token", "decode µs", "prefill µs", "run ms");
        Rows(rows, tables.Mixers, load.Mixers, "attention");
        Rows(rows, tables.FeedForwards, load.FeedForwards, "feed-forward");
        Row(rows, "outside the layers", tables.Base, load.Base);
        report.Paragraph(
            $"{load.Label}{(load.Machine.Length > 0 ? $" on {load.Machine}" : string.Empty)}. A block costs the sum of its halves, the same in every layer; the search limits such sums.").Table(rows);
    }

    private static void Rows(ReportTable rows, IReadOnlyDictionary<string, HalfSize> sizes, IReadOnlyDictionary<string, LoadTime> times, string kind)
    {
        foreach (var (label, size) in sizes)
        {
            if (times.TryGetValue(label, out var time))
            {
                Row(rows, $"{kind} {label}", size, time);
            }
        }
    }

    private static void Row(ReportTable rows, string name, HalfSize size, LoadTime time) => rows.Add(
        name, (long)size.Parameters, (long)size.WeightBytes, (long)size.KvBytesPerToken, Number(time.DecodeSeconds * 1e6, "N2"),
        Number(time.PrefillSeconds * 1e6, "N1"), Number(time.RunSeconds * 1e3, "N3"));
}
