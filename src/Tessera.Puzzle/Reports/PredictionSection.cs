using Tessera.Puzzle.Compression;
using Tessera.Runs;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>What the tables said beside what the assembled models are, and whether the sum of scores may be believed.</summary>
internal static class PredictionSection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        bool isPredicted = run.Tables?.Loads[0].IsPredicted == true;
        report.Section("Predicted against realised").Paragraph(
            "The search assumes that damage and costs add up over layers. Predicted KL is the sum of one-swap scores; realised KL is that of the assembled model "
            + "on the same documents, nothing healed. Predicted times are sums of "
            + (isPredicted ? "block costs that were calculated from a machine's ceilings and not measured." : "measured block costs; realised ones are medians of the whole model, timed in turn with its parent."));
        var rows = new ReportTable(
            "model", "KL predicted ± s.e.", "KL realised ± s.e.", "error", "decode µs predicted", "realised", "error", "prefill ms predicted", "realised", "error");
        foreach (var candidate in run.Result.Candidates)
        {
            rows.Add(
                candidate.Name, WithError(candidate.PredictedDivergence, run.PredictedError(candidate)), WithError(candidate.ScoringDivergence),
                Departure(candidate.PredictedDivergence, candidate.ScoringDivergence.Mean),
                Number(candidate.PredictedDecodeSeconds * 1e6, "N1"), Number(candidate.DecodeSeconds * 1e6, "N1"),
                Departure(candidate.PredictedDecodeSeconds, candidate.DecodeSeconds),
                Number(candidate.PredictedPrefillSeconds * 1e3, "N2"), Number(candidate.PrefillSeconds * 1e3, "N2"),
                Departure(candidate.PredictedPrefillSeconds, candidate.PrefillSeconds));
        }

        report.Table(rows).Paragraph(Verdict(run)).Paragraph(Memory(run));
        var points = run.Result.Candidates.Skip(1).Select(candidate =>
            new ScatterPoint(candidate.PredictedDivergence, candidate.ScoringDivergence.Mean, candidate.Name, "models")).ToList();
        double[] all = [.. points.SelectMany(point => (double[])[point.X, point.Y]).Where(value => value > 0)];
        report.Figure(
            new ScatterChart
            {
                Title = "Realised against predicted KL",
                XLabel = "sum of one-swap scores, nats a token",
                YLabel = "KL of the assembled model",
                LogX = true,
                LogY = true,
                Lines = all.Length == 0 ? [] : [new ChartSeries("equal", [(all.Min(), all.Min()), (all.Max(), all.Max())])],
                Points = points,
            },
            "On the line the scores of layers add up. Above it the layers' damages make each other worse; below it they overlap.",
            $"{PuzzlePaper}: additivity, the assumption behind the sum of replace-one-block scores.", null);
    }

    /// <summary>Additivity at the choice of the first search, by the run's own check.</summary>
    private static string Verdict(CompressionRun run)
    {
        if (run.Result.Additivity is not { } check)
        {
            double difference = run.Child.ScoringDivergence.Mean - run.Child.PredictedDivergence;
            return $"Additivity: the child's KL departs from the predicted by {Digits(difference)} nats a token; without the scores' errors no more can be said.";
        }

        string whose = run.Result.Rescoring is { Rounds.Count: > 0 } ? "the first search's choice" : "this child";
        string numbers = $"realised {WithError(check.Realised)} against {Digits(check.Predicted)} ± {Digits(check.PredictedStandardError)} nats a token, "
            + $"{Departure(check.Realised.Mean, check.Predicted)} of the predicted (allowed: {Number(check.Limit, "P0")} of it, and two standard errors of both; those of "
            + "the layers are added up, since layers share their documents)";
        return check.Holds
            ? $"Additivity holds for {whose}: {numbers}."
            : $"Additivity does not hold for {whose}: {numbers}. "
                + (check.Departure > 0 ? "Its replaced layers make each other's damage worse" : "The damages of its replaced layers overlap") + ", and the search could not see it.";
    }

    private static string Memory(CompressionRun run)
    {
        if (run.PredictedAmounts(run.Child) is not { } amounts)
        {
            return "The run's folder holds no sizes of the blocks.";
        }

        double weights = amounts.MemoryBytes - amounts.KvBytes;
        double cache = (double)run.Child.KvBytesPerToken * run.Result.Scenario.Positions * (run.Result.Scenario.Batch + run.Result.Scenario.QueuedPrompts);
        string written = run.WrittenBytes is not { } bytes ? string.Empty
            : $" The written child's weights take {HumanUnits.FormatBytes(bytes)} on the disk ({Departure(weights, bytes)} predicted against written{(run.Result.Fusion is null ? string.Empty : "; fusion came after the prediction")}).";
        return $"Memory of the child: {HumanUnits.FormatBytes((long)amounts.MemoryBytes)} predicted, of which weights {HumanUnits.FormatBytes((long)weights)} and keys and values "
            + $"{HumanUnits.FormatBytes((long)amounts.KvBytes)} ({Departure(amounts.KvBytes, cache)} against {HumanUnits.FormatBytes((long)cache)} of the assembled shape).{written}";
    }
}
