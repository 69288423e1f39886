using System.Globalization;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Compression;

/// <summary>The curves and tables of a healing in a report.</summary>
internal static class HealingChart
{
    private static readonly (string Name, string Key)[] HealingCurves =
        [("training KL", "divergence"), ("validation KL", "validation.divergence"), ("training 1-cos", "cosine")];

    private static readonly (string Name, string Key)[] PretrainingCurves =
        [("training loss", "cross_entropy"), ("validation loss", "validation.cross_entropy"), ("training KL", "divergence")];

    /// <summary>Adds the sections, or nothing where nothing was trained or tested.</summary>
    /// <param name="report">The report.</param>
    /// <param name="metrics">The healing's metrics file.</param>
    /// <param name="findings">What else is known of it, or null.</param>
    public static void AddTo(HtmlReport report, string metrics, HealingFindings? findings = null)
    {
        if (File.Exists(metrics))
        {
            report.Section("Healing").Figure(Chart(metrics, "Global distillation", "nats a token, 1-cos", [.. HealingCurves, .. LengthCurves(findings)]));
            Phases(report, findings);
            Accuracy(report, MetricsWriter.Read(metrics));
        }

        if (findings is not null)
        {
            AddBehind(report, findings, Path.GetDirectoryName(Path.GetDirectoryName(metrics))!);
        }
    }

    /// <summary>Adds the phases of length, if there were any.</summary>
    public static void Phases(HtmlReport report, HealingFindings? findings)
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

    /// <summary>Adds what comes behind the healing: continued pre-training and the test by position.</summary>
    /// <param name="report">The report.</param>
    /// <param name="findings">What is known of them.</param>
    /// <param name="run">Folder of the run.</param>
    public static void AddBehind(HtmlReport report, HealingFindings findings, string run)
    {
        if (findings.Pretraining is { } pretraining)
        {
            Pretraining(report, pretraining, run);
        }

        if (findings.Positions is { } positions)
        {
            Positions(report, positions);
        }
    }

    private static IEnumerable<(string Name, string Key)> LengthCurves(HealingFindings? findings) => findings is { Phases.Count: > 1 }
        ? findings.Phases.Select(phase => phase.Length).Distinct().Select(
            length => ($"validation KL to {length}", FormattableString.Invariant($"validation.divergence@{length}")))
        : [];

    private static LineChart Chart(string metrics, string title, string label, IEnumerable<(string Name, string Key)> curves)
    {
        var rows = MetricsWriter.Read(metrics).ToList();
        var series = curves.Select(curve => new ChartSeries(
            curve.Name, [.. rows.Where(row => row.Values.ContainsKey(curve.Key)).Select(row => ((double)row.Step, row.Values[curve.Key]))]));
        return new LineChart
        {
            Title = title,
            XLabel = "step",
            YLabel = label,
            LogY = true,
            Series = [.. series.Where(s => s.Points.Any(point => point.Y > 0))],
        };
    }

    /// <summary>Adds right answers that were counted on the way, if there are any.</summary>
    public static void Accuracy(HtmlReport report, IEnumerable<MetricsRow> metrics)
    {
        var rows = new ReportTable("step", "right answers", "problems");
        bool isEmpty = true;
        foreach (var row in metrics.Where(row => row.Values.ContainsKey("validation.problems")))
        {
            rows.Add(row.Step, (int)row.Values["validation.correct"], (int)row.Values["validation.problems"]);
            isEmpty = false;
        }

        if (!isEmpty)
        {
            report.Paragraph("Unseen problems solved by the child in f32, on the way.").Table(rows);
        }
    }

    private static void Pretraining(HtmlReport report, PretrainingFindings findings, string run)
    {
        report.Section("Continued pre-training").Paragraph(string.Create(
            CultureInfo.InvariantCulture,
            $"{findings.Steps} steps on {findings.Tokens:N0} tokens. Cross-entropy on its held-out documents: {Loss(findings.LossBefore)} before, {Loss(findings.LossAfter)} after, nats a token. KL(parent ‖ child) before it: {FusionReport.Text(findings.DivergenceBefore)}."));
        var rows = new ReportTable("source", "documents", "tokens");
        foreach (var source in findings.Sources)
        {
            rows.Add(source.Name, source.Documents, source.Tokens);
        }

        report.Table(rows);
        string metrics = Path.Combine(run, findings.Metrics);
        if (File.Exists(metrics))
        {
            report.Figure(Chart(metrics, "Continued pre-training", "nats a token", PretrainingCurves));
        }
    }

    private static void Positions(HtmlReport report, PositionTable positions)
    {
        report.Section("By position").Paragraph(
            $"Parent and written child on held-out documents of up to {positions.Length} tokens, by the position of what is predicted from; nats a token.");
        var rows = new ReportTable("positions", "tokens", "documents", "KL ± s.e.", "parent's loss", "child's loss");
        foreach (var (i, row) in positions.Rows.Index())
        {
            rows.Add(
                i == positions.Rows.Count - 1 ? "all" : FormattableString.Invariant($"{row.From}–{row.To - 1}"), (long)row.Tokens, row.Divergence.Documents,
                FusionReport.Text(row.Divergence), FusionReport.Text(row.ParentLoss), FusionReport.Text(row.ChildLoss));
        }

        report.Table(rows);
    }

    private static string Loss(double? loss) => loss is { } value ? value.ToString("0.0000", CultureInfo.InvariantCulture) : "–";
}
