using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>Several compressions on one page: an ablation, a sweep of limits, or different parents.</summary>
/// <param name="runs">What they left, two at least.</param>
public sealed class ComparisonReport(IReadOnlyList<CompressionRun> runs)
{
    private const int MostSettings = 40;

    /// <summary>Writes the page.</summary>
    /// <exception cref="IOException">The file cannot be written; one sentence.</exception>
    public void Save(string path) => Page().Save(path);

    /// <summary>The page.</summary>
    public HtmlReport Page()
    {
        var report = new HtmlReport("Compressions compared", $"{runs.Count} runs: {string.Join(", ", runs.Select(run => run.Name))}");
        // Said once where it is the same for all.
        bool isOne = runs.Select(run => run.Result.Scenario.Label).Distinct().Count() == 1;
        string scenario = isOne ? $"Scenario: {runs[0].Result.Scenario.Label}. " : string.Empty;
        report.Section("Results").Paragraph(
            scenario + "KL is KL(parent ‖ child) in nats a token on each run's held-out documents, before healing and of the written child. Speed-up is of throughput, measured beside "
            + "the run's own parent. Additive: realised less predicted KL on the scoring documents, in percent of the predicted.");
        var rows = new ReportTable(
            ["run", .. isOne ? [] : (string[])["scenario"], "targets", "met", "weights kept", "speed-up", "KL assembled ± s.e.", "KL healed ± s.e.", "accuracy healed",
                "parent's", "additive"]);
        foreach (var run in runs)
        {
            var child = run.Result.Delivered;
            rows.Add([
                run.Name, .. isOne ? [] : (string[])[run.Result.Scenario.Label], string.Join(", ", run.Result.Targets.Select(target => target.Target)),
                $"{run.Result.Targets.Count(target => target.IsMet)} of {run.Result.Targets.Count}", Number(100.0 * child.Parameters / run.Parent.Parameters, "0.0") + " %",
                Number(SpeedUp(run, child), "0.00") + "×", WithError(child.HeldOutDivergence), WithError(run.Result.HealedDivergence),
                Accuracy(run.Result.HealedCorrect, child.Problems), Accuracy(run.Parent.Correct, run.Parent.Problems),
                Departure(run.Child.ScoringDivergence.Mean, run.Child.PredictedDivergence)]);
        }

        report.Table(rows);
        Differences(report);
        Pareto(report);
        Baselines(report);
        Healing(report);
        return report;
    }

    private static double SpeedUp(CompressionRun run, CandidateResult candidate)
    {
        var scenario = run.Result.Scenario;
        return scenario.Throughput(candidate.PrefillSeconds, candidate.DecodeSeconds)
            / scenario.Throughput(run.ParentOf(candidate).PrefillSeconds, run.ParentOf(candidate).DecodeSeconds);
    }

    /// <summary>What was set differently: the columns of an ablation.</summary>
    private void Differences(HtmlReport report)
    {
        // The stage of the result repeats what the others were given.
        var all = runs.Select(run => run.Stages.Where(stage => stage.Manifest.Stage != "result").SelectMany(stage => stage.Manifest.Settings.Select(pair => (Name: $"{stage.Manifest.Stage}: {pair.Key}", pair.Value))
                .Concat(stage.Manifest.Inputs.Where(pair => pair.Key is "parent" or "data").Select(pair => (Name: pair.Key, Value: ContentHash.Short(pair.Value)))))
            .GroupBy(pair => pair.Name).ToDictionary(group => group.Key, group => group.Last().Value)).ToList();
        string[] names = [.. all.SelectMany(settings => settings.Keys).Distinct().Order(StringComparer.Ordinal)
            .Where(name => all.Select(settings => settings.GetValueOrDefault(name)).Distinct().Count() > 1)];
        if (names.Length == 0)
        {
            return;
        }

        var table = new ReportTable(["setting", .. runs.Select(run => run.Name)]);
        foreach (string name in names.Take(MostSettings))
        {
            table.Add([name, .. all.Select(settings => settings.GetValueOrDefault(name) ?? "–")]);
        }

        report.Section("What differs").Paragraph(
            $"Settings and inputs that are not the same in all runs{(names.Length > MostSettings ? $", the first {MostSettings} of {names.Length}" : string.Empty)}.").Table(table);
    }

    private void Pareto(HtmlReport report)
    {
        var points = new List<ScatterPoint>();
        var table = new ReportTable("model", "speed-up", "KL");
        void Point(CompressionRun run, CandidateResult candidate, Estimate divergence, string group)
        {
            points.Add(new ScatterPoint(SpeedUp(run, candidate), divergence.Mean, group is CompressionResult.Written ? run.Name : string.Empty, group));
            table.Add($"{run.Name}: {group}", SpeedUp(run, candidate), divergence.Mean);
        }

        foreach (var run in runs)
        {
            Point(run, run.Result.Delivered, run.Result.HealedDivergence, CompressionResult.Written);
            Point(run, run.Result.Delivered, run.Result.Delivered.HeldOutDivergence, "child, assembled");
            foreach (var baseline in run.Result.Candidates.Skip(2))
            {
                Point(run, baseline, baseline.HeldOutDivergence, baseline.Name);
            }
        }

        report.Section("Realised KL against speed").Figure(
            new ScatterChart { Title = "Realised KL against measured speed", XLabel = "throughput, times the parent's", YLabel = "KL, nats a token", LogY = true, Points = points },
            "Down and to the right is better. Runs with different parents or texts are not measured by the same KL.",
            $"{PuzzlePaper}: accuracy against throughput of children and baselines.", table);
    }

    /// <summary>Run by run how the exact choice does against simpler ones, all within the same limits.</summary>
    private void Baselines(HtmlReport report)
    {
        string[] names = [.. runs.SelectMany(run => run.Result.Candidates.Skip(2)).Select(candidate => candidate.Name).Distinct()];
        if (names.Length == 0)
        {
            return;
        }

        var table = new ReportTable(["run", "child", .. names]);
        foreach (var run in runs)
        {
            table.Add([run.Name, WithError(run.Child.HeldOutDivergence), .. names.Select(name =>
                run.Result.Candidates.FirstOrDefault(candidate => candidate.Name == name) is { } found ? WithError(found.HeldOutDivergence) : "–")]);
        }

        report.Section("Against simpler choices").Paragraph("Realised KL on held-out documents before healing; a dash where such a choice met no limits.").Table(table);
    }

    private void Healing(HtmlReport report)
    {
        foreach (var (key, title) in (ReadOnlySpan<(string, string)>)[("divergence", "KL from the parent while healing"), ("cosine", "1 − cos of hidden states while healing")])
        {
            var series = runs.SelectMany(run => HealingSection.Series([.. run.Healing.Select(row => row with
            {
                Values = row.Values.Where(pair => pair.Key.StartsWith("validation", StringComparison.Ordinal)).ToDictionary(),
            })], key).Select(line => line with { Name = run.Name })).ToList();
            if (series.Count > 0)
            {
                if (key == "divergence")
                {
                    report.Section("Healing");
                }

                report.Figure(
                    new LineChart { Title = title, XLabel = "step", YLabel = key == "divergence" ? "nats a token" : "1 − cos", LogY = true, Series = series },
                    "Held-out documents.", $"{PuzzlePaper}: ablation of the losses of global distillation.", null);
            }
        }
    }
}
