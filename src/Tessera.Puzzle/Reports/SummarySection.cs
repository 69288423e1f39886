using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>What was asked for, what came of it.</summary>
internal static class SummarySection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        var result = run.Result;
        report.Section("Summary").Paragraph(Sentence(run));
        var targets = new ReportTable("target", "reached by the measured child", "met");
        foreach (var check in result.Targets)
        {
            targets.Add(check.Target, Digits(check.Reached), check.IsMet ? "yes" : "no");
        }

        if (result.Targets.Count > 0)
        {
            report.Table(targets);
        }

        report.Paragraph(
            "KL is KL(parent ‖ model) in nats a token on held-out data. Throughput is generated tokens a second of the whole scenario, prompts' "
            + "time included. Times are measured medians. The written child's KL and all accuracies are those of the weights as they are "
            + "served; the other KLs are before any healing, with weights as the library holds them: f32, or bf16 where that was asked for.");
        report.Table(Candidates(run));
        report.Paragraph(
            $"The {(result.Rescoring is null ? string.Empty : "first ")}search proved that no choice of blocks has a summed score below {Digits(result.LowerBound)} "
            + $"(gap {Number(result.Gap, "P3")}, {Number(result.Nodes, "N0")} nodes). Greedy, uniform and parameter-maximal choices meet the same limits by simpler means; "
            + "one that is missing found no choice within them.");
    }

    private static ReportTable Candidates(CompressionRun run)
    {
        var result = run.Result;
        var rows = new ReportTable(
            "model", "parameters", "throughput tokens/s", "speed-up", "decode tokens/s", "prefill tokens/s", "KV bytes/token", "KL ± s.e.", "accuracy ± s.e.");
        foreach (var candidate in result.Candidates)
        {
            Row(rows, run, candidate.Name, candidate, candidate.HeldOutDivergence, candidate.Correct);
        }

        var delivered = result.Delivered;
        if (result.Fusion is not null)
        {
            Row(rows, run, delivered.Name, delivered, delivered.HeldOutDivergence, delivered.Correct);
        }

        Row(rows, run, CompressionResult.Written, delivered, result.HealedDivergence, result.HealedCorrect);
        return rows;
    }

    private static void Row(ReportTable rows, CompressionRun run, string name, CandidateResult candidate, Estimate divergence, int correct)
    {
        var scenario = run.Result.Scenario;
        double throughput = scenario.Throughput(candidate.PrefillSeconds, candidate.DecodeSeconds);
        rows.Add(
            name, candidate.Parameters, Number(throughput, "N0"),
            Number(throughput / scenario.Throughput(run.ParentOf(candidate).PrefillSeconds, run.ParentOf(candidate).DecodeSeconds), "0.00") + "×",
            Number(scenario.Batch / candidate.DecodeSeconds, "N0"), Number(scenario.Batch * scenario.InputLength / candidate.PrefillSeconds, "N0"),
            candidate.KvBytesPerToken, WithError(divergence), Accuracy(correct, candidate.Problems));
    }

    private static string Sentence(CompressionRun run)
    {
        var result = run.Result;
        var child = result.Delivered;
        int met = result.Targets.Count(target => target.IsMet);
        double speed = result.Scenario.Throughput(child.PrefillSeconds, child.DecodeSeconds)
            / result.Scenario.Throughput(run.ParentOf(child).PrefillSeconds, run.ParentOf(child).DecodeSeconds);
        string accuracy = child.Problems == 0 ? string.Empty
            : $" It answers {Accuracy(result.HealedCorrect, child.Problems)} of {child.Problems} unseen problems, the parent {Accuracy(run.Parent.Correct, child.Problems)}.";
        return $"The child has {Number(100.0 * child.Parameters / run.Parent.Parameters, "0")} % of its parent's weights and {Number(speed, "0.00")} times its throughput; "
            + $"{met} of {result.Targets.Count} targets are met. Its KL from the parent is {WithError(child.HeldOutDivergence)} as assembled and "
            + $"{WithError(result.HealedDivergence)} as written.{accuracy}";
    }
}
