using Tessera.Puzzle.Compression;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Reports;

/// <summary>The curves of a healing, one picture a quantity.</summary>
internal static class HealingSection
{
    private const string Source = $"{ReportNumbers.PuzzlePaper}: global knowledge distillation, cosine and KL.";

    // What metrics are called after their last dot, and what that is.
    private static readonly (string Key, string Title, string Unit)[] Curves =
    [
        ("divergence", "KL from the parent", "nats a token"), ("cosine", "Distance of hidden states, 1 − cos", "1 − cos"),
        ("cross_entropy", "Cross-entropy on the data", "nats a token"), ("accuracy", "Accuracy on the way", "share of right answers"),
    ];

    /// <summary>Adds the section, or nothing where nothing was healed.</summary>
    /// <param name="report">The report.</param>
    /// <param name="metrics">The healing's metrics.</param>
    /// <param name="findings">What else is known of it, or null.</param>
    public static void Add(HtmlReport report, IEnumerable<MetricsRow> metrics, HealingFindings? findings)
    {
        List<MetricsRow> rows = [.. metrics.Select(WithAccuracy)];
        if (rows.Count == 0)
        {
            return;
        }

        report.Section("Healing").Paragraph(
            "The assembled child is trained as a whole to follow its parent. Training curves are of the batch of a step, validation curves of held-out documents.");
        AddPhases(report, findings);
        foreach (var (key, title, unit) in Curves)
        {
            var series = Series(rows, key);
            if (series.Count > 0)
            {
                report.Figure(
                    new LineChart { Title = title, XLabel = "step", YLabel = unit, LogY = key is "divergence" or "cosine", Series = series },
                    key == "divergence" ? "Lower is better; equal ratios are equally high." : null, Source, Numbers(series));
            }
        }

        AddAnswers(report, rows);
    }

    /// <summary>All metrics of a kind that are not 0 throughout, such as <c>divergence</c> and <c>validation.divergence</c>.</summary>
    internal static List<ChartSeries> Series(IReadOnlyList<MetricsRow> rows, string key) =>
        [.. rows.SelectMany(row => row.Values.Keys).Distinct().Where(name => IsOf(name, key)).Select(name => ChartSeries.Of(Name(name, key), rows, name))
            .Where(series => series.Points.Any(point => point.Y > 0))];

    // Where right answers were counted on the way, their share is what is drawn.
    private static MetricsRow WithAccuracy(MetricsRow row) =>
        row.Values.TryGetValue("validation.correct", out double correct) && row.Values.TryGetValue("validation.problems", out double problems) && problems > 0
            ? row with { Values = new Dictionary<string, double>(row.Values) { ["validation.accuracy"] = correct / problems } }
            : row;

    // validation.divergence, validation.divergence.1024 and validation.1024.divergence are of one kind.
    private static bool IsOf(string name, string key) => name.Split('.', '@', '/').Contains(key);

    private static string Name(string name, string key) =>
        name == key ? "training" : name.Replace(key, string.Empty, StringComparison.Ordinal).Replace('.', ' ').Trim();

    private static void AddPhases(HtmlReport report, HealingFindings? findings)
    {
        if (findings?.Phases is { Count: > 0 } phases)
        {
            var rows = new ReportTable("phase", "longest document", "steps", "tokens");
            foreach (var (i, phase) in phases.Index())
            {
                rows.Add(i + 1, phase.Length, phase.Steps, phase.Tokens);
            }

            report.Table(rows);
        }
    }

    /// <summary>Right answers that were counted on the way, if there are any.</summary>
    private static void AddAnswers(HtmlReport report, IEnumerable<MetricsRow> metrics)
    {
        var counted = metrics.Where(row => row.Values.ContainsKey("validation.problems")).ToList();
        if (counted.Count == 0)
        {
            return;
        }

        var rows = new ReportTable("step", "right answers", "problems");
        foreach (var row in counted)
        {
            rows.Add(row.Step, (int)row.Values["validation.correct"], (int)row.Values["validation.problems"]);
        }

        report.Paragraph("Unseen problems solved by the child in f32, on the way.").Table(rows);
    }

    private static ReportTable Numbers(IReadOnlyList<ChartSeries> series)
    {
        var table = new ReportTable("curve", "first step", "first", "last step", "last", "least");
        foreach (var line in series)
        {
            table.Add(line.Name, (long)line.Points[0].X, line.Points[0].Y, (long)line.Points[^1].X, line.Points[^1].Y, line.Points.Min(point => point.Y));
        }

        return table;
    }
}
