using System.Globalization;
using Tessera.Runs;
using Tessera.Runs.Report;

namespace Tessera.Cli.Recipes;

/// <summary>The page of a recipe: its table, learning curves, stages with times, links to their own reports, and provenance.</summary>
/// <param name="plan">What was run.</param>
/// <param name="outcomes">What became of the stages.</param>
/// <param name="results">What the evaluations measured.</param>
internal sealed class RecipeReport(RecipePlan plan, IReadOnlyList<StageOutcome> outcomes, EvaluationResults results)
{
    public const string FileName = "report.html";
    private const string MetricsName = "metrics.jsonl";

    /// <summary>Quantities that say how a run went about it, not how it went.</summary>
    private static readonly string[] Bookkeeping = ["learning_rate", "tokens"];

    /// <summary>Writes the page into the recipe's folder.</summary>
    public string Save()
    {
        var report = new HtmlReport(plan.Title, plan.Recipe.Description ?? $"Recipe {plan.Recipe.Name}");
        if (results.Rows.Count > 0)
        {
            Results(report);
        }

        if (plan.Recipe.Report.Curves.Count > 0)
        {
            Curves(report);
        }

        Stages(report);
        Provenance(report);
        string path = Path.Combine(plan.Output, FileName);
        report.Save(path);
        return path;
    }

    private void Results(HtmlReport report)
    {
        report.Section("Results").Paragraph(
            "Accuracy is that of a single sample on unseen problems, with its 95 % interval; obeyed is the share of answers in the "
            + "form that the thinking switch asks for, with the lower end of its interval; tokens are new tokens an answer, "
            + "reasoning included.");
        string hard = $"levels {results.HardLevels}";
        var table = new ReportTable("model", "thinking", "problems", "accuracy", "95 % interval", hard, "95 % interval", "obeyed", "at least", "tokens");
        foreach (var row in results.Rows)
        {
            table.Add(
                row.Label, row.Mode, row.Problems, EvaluationResults.Share(row.Accuracy.Value), EvaluationResults.Interval(row.Accuracy),
                row.Hard is { } share ? EvaluationResults.Share(share.Value) : "–", row.Hard is { } ends ? EvaluationResults.Interval(ends) : "–",
                row.IsSwitched ? EvaluationResults.Share(row.Obeyed.Value) : "–", row.IsSwitched ? EvaluationResults.Share(row.Obeyed.Low) : "–", Number(row.Tokens, "0.0"));
        }

        report.Table(table).Figure(new BarChart
        {
            Title = "Accuracy",
            ValueLabel = "right answers, %",
            Bars = [.. results.Rows.SelectMany(Bars)],
        });
        if (results.Differences.Count > 0)
        {
            var pairs = new ReportTable("compared", "with", "levels", "difference, points", "95 % interval", "problems");
            foreach (var pair in results.Differences)
            {
                pairs.Add(
                    pair.Left, pair.Right, pair.Levels, Points(pair.Difference.Value),
                    $"{Points(pair.Difference.Low)} to {Points(pair.Difference.High)}", pair.Problems);
            }

            report.Paragraph("Paired differences, problem by problem:").Table(pairs);
        }
    }

    private IEnumerable<ChartBar> Bars(EvaluationRow row)
    {
        string name = row.Mode == "plain" ? row.Label : $"{row.Label}, {row.Mode}";
        yield return new ChartBar(name, 100 * row.Accuracy.Value, EvaluationResults.Share(row.Accuracy.Value), "all levels");
        if (row.Hard is { } hard)
        {
            yield return new ChartBar(name, 100 * hard.Value, EvaluationResults.Share(hard.Value), $"levels {results.HardLevels}");
        }
    }

    private void Curves(HtmlReport report)
    {
        report.Section("Learning curves");
        foreach (string name in plan.Recipe.Report.Curves.Select(curve => curve.Text))
        {
            string path = Path.Combine(plan.FolderOf(plan.Stages.First(stage => stage.Name == name)), MetricsName);
            var rows = File.Exists(path) ? MetricsWriter.Read(path).ToList() : [];
            var charts = Charts(name, rows).ToList();
            if (charts.Count == 0)
            {
                report.Paragraph($"{name}: no metrics.");
            }

            charts.ForEach(chart => report.Figure(chart));
        }
    }

    /// <summary>A chart a quantity, with its validation beside it; quantities that never change are left out.</summary>
    private static IEnumerable<LineChart> Charts(string stage, List<MetricsRow> rows)
    {
        const string validation = "validation.";
        foreach (string key in rows.SelectMany(row => row.Values.Keys).Select(key => key.Replace(validation, "", StringComparison.Ordinal))
            .Distinct().Except(Bookkeeping))
        {
            ChartSeries[] series =
            [
                .. new[] { key, validation + key }.Select(name => ChartSeries.Of(name.Replace('_', ' '), rows, name))
                    .Where(line => line.Points.Select(point => point.Y).Distinct().Count() > 1),
            ];
            double[] values = [.. series.SelectMany(line => line.Points).Select(point => point.Y).Where(double.IsFinite)];
            if (values.Length > 0)
            {
                yield return new LineChart
                {
                    Title = $"{stage}: {key.Replace('_', ' ')}",
                    XLabel = "step",
                    YLabel = key.Replace('_', ' '),
                    LogY = values.Min() > 0 && values.Max() > 20 * values.Min(),
                    Series = series,
                };
            }
        }
    }

    private void Stages(HtmlReport report)
    {
        report.Section("Stages").Paragraph(
            "Time is that of the start which completed the stage; what earlier, interrupted starts took is not in it.");
        var table = new ReportTable("stage", "verb", "time", "this time", "completed (UTC)", "folder");
        foreach (var outcome in outcomes)
        {
            table.Add(
                outcome.Stage.Name, outcome.Stage.Verb,
                outcome.Manifest.Seconds is { } seconds ? HumanUnits.FormatDuration(TimeSpan.FromSeconds(seconds)) : "–",
                outcome.Skipped ? "skipped" : "run", outcome.Manifest.FinishedUtc?.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
                outcome.Stage.FolderName);
        }

        report.Table(table);
        foreach (var outcome in outcomes)
        {
            report.Links(outcome.Stage.Name + ":", new[] { FileName, "result.json", MetricsName, RunFolder.ManifestName }
                .Where(name => File.Exists(Path.Combine(plan.FolderOf(outcome.Stage), name)))
                .Select(name => (name, $"{outcome.Stage.FolderName}/{name}")));
        }
    }

    private void Provenance(HtmlReport report)
    {
        report.Section("Settings and provenance");
        if (plan.Recipe.Variables.Count > 0)
        {
            var variables = new ReportTable("variable", "value");
            foreach (var (name, value) in plan.Recipe.Variables)
            {
                variables.Add(name, value.Text);
            }

            report.Table(variables);
        }

        foreach (var outcome in outcomes)
        {
            var manifest = outcome.Manifest;
            report.Paragraph($"{manifest.Stage}, hash {manifest.Hash}, tessera {manifest.ToolVersion}, begun "
                + $"{manifest.StartedUtc.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC: {manifest.Command}");
            var table = new ReportTable("decides the result", "value or hash");
            foreach (var (name, value) in manifest.Settings.Concat(manifest.Inputs))
            {
                table.Add(name, value);
            }

            report.Table(table);
        }
    }

    private static string Points(double value) => Number(100 * value, "+0.0;-0.0;0.0");

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
