using System.Globalization;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Targets;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Compression;

/// <summary>The pictures and tables of a compression in one self-contained page.</summary>
internal sealed class CompressionReport(
    CompressionInputs inputs, CompressionSettings settings, ChoiceTable table, CompressionResult result, ScoreTable scores,
    BlockLibrary library, string healingMetrics, FusionOutcome? fusion)
{
    /// <summary>Writes the page.</summary>
    public void Save(string path)
    {
        var report = new HtmlReport(
            "Compression report",
            $"{settings.Scenario.Label}; targets {string.Join(", ", settings.Targets.Select(target => target.Text))}");
        Overview(report);
        Blocks(report);
        Prediction(report);
        if (fusion is not null)
        {
            FusionReport.AddFusion(report, fusion, settings.Scenario);
        }

        HealingChart.AddTo(report, healingMetrics, result.Healing);
        Scores(report);
        Costs(report);
        report.Save(path);
    }

    private void Overview(HtmlReport report)
    {
        report.Section("Models").Paragraph(
            "KL is KL(parent ‖ model) in nats a token on held-out data before any healing, with its standard error. Decode and "
            + "prefill are measured medians of the scenario. The healed child's KL and all accuracies are those of the weights as "
            + "they are served; the other KLs are of f32 weights.");
        var rows = new ReportTable(
            "model", "parameters", "decode tokens/s", "speed-up", "prefill tokens/s", "KV bytes/token", "KL", "± s.e.", "accuracy", "± s.e.");
        foreach (var candidate in result.Candidates)
        {
            Row(rows, candidate.Name, candidate, candidate.HeldOutDivergence, candidate.Correct, result.Candidates[0]);
        }

        var child = result.Delivered;
        if (result.Fusion is not null)
        {
            Row(rows, child.Name, child, child.HeldOutDivergence, child.Correct, result.DeliveredParent);
        }

        Row(rows, "child, healed", child, result.HealedDivergence, result.HealedCorrect, result.DeliveredParent);
        report.Table(rows);
        foreach (var check in result.Targets)
        {
            report.Paragraph(FormattableString.Invariant(
                $"Target {check.Target}: the measured child reaches {check.Reached:G4}, which {(check.IsMet ? "meets" : "misses")} it."));
        }

        report.Paragraph(FormattableString.Invariant(
            $"The search proved that no choice of blocks has a summed score below {result.LowerBound:F5} (gap {result.Gap:P3}, {result.Nodes} nodes)."));
    }

    private void Row(ReportTable rows, string name, CandidateResult candidate, Estimate divergence, int correct, CandidateResult parent)
    {
        double accuracy = candidate.Problems == 0 ? 0 : (double)correct / candidate.Problems;
        rows.Add(
            name, candidate.Parameters, Number(settings.Scenario.Batch / candidate.DecodeSeconds, "N0"),
            Number(parent.DecodeSeconds / candidate.DecodeSeconds, "0.00") + "×",
            Number(settings.Scenario.Batch * settings.Scenario.InputLength / candidate.PrefillSeconds, "N0"),
            candidate.KvBytesPerToken, Number(divergence.Mean, "0.0000"), Number(divergence.StandardError, "0.0000"),
            candidate.Problems == 0 ? "–" : Number(100 * accuracy, "0.0") + " %",
            candidate.Problems == 0 ? "–" : Number(100 * Math.Sqrt(accuracy * (1 - accuracy) / candidate.Problems), "0.0"));
    }

    private void Blocks(HtmlReport report)
    {
        var child = table.Configuration(Choice(result.Candidates[1]));
        var rows = child.Layers.Select((layer, i) =>
        {
            var parent = inputs.Parent.Configuration.Layers[i];
            return new BlockMapRow(
                i.ToString(CultureInfo.InvariantCulture),
                new BlockCell(
                    $"{parent.Mixer}", $"{layer.Mixer}",
                    Share(child.MixerParameterCount(i), inputs.Parent.Configuration.MixerParameterCount(i))),
                new BlockCell(
                    $"{parent.FeedForward}", $"{layer.FeedForward}",
                    Share(child.FeedForwardParameterCount(i), inputs.Parent.Configuration.FeedForwardParameterCount(i))));
        });
        report.Section("Chosen blocks").Figure(
            new BlockMap { Title = "Parent and child, layer by layer", Layers = [.. rows] },
            "Shade: share of the parent's weights that is kept.");
    }

    private void Prediction(HtmlReport report)
    {
        report.Section("Predicted against realised").Paragraph(
            "Predicted KL is the sum of one-swap scores; realised KL is that of the assembled model on the same batches. Predicted "
            + $"times are sums of {(table.HasPredictedTimes ? "block costs that were calculated from a machine's ceilings and not measured" : "measured block costs")}.");
        var rows = new ReportTable(
            "model", "KL predicted", "KL realised", "± s.e.", "decode µs predicted", "decode µs realised", "error",
            "prefill ms predicted", "prefill ms realised");
        foreach (var candidate in result.Candidates)
        {
            rows.Add(
                candidate.Name, Number(candidate.PredictedDivergence, "0.0000"), Number(candidate.ScoringDivergence.Mean, "0.0000"),
                Number(candidate.ScoringDivergence.StandardError, "0.0000"), Number(candidate.PredictedDecodeSeconds * 1e6, "0.0"),
                Number(candidate.DecodeSeconds * 1e6, "0.0"),
                Number(100 * ((candidate.PredictedDecodeSeconds / candidate.DecodeSeconds) - 1), "+0.0;-0.0") + " %",
                Number(candidate.PredictedPrefillSeconds * 1e3, "0.00"), Number(candidate.PrefillSeconds * 1e3, "0.00"));
        }

        report.Table(rows).Figure(new ScatterChart
        {
            Title = "Divergence against speed",
            XLabel = "decode tokens/s",
            YLabel = "KL, nats a token",
            Points = [.. result.Candidates.Select(c => new ScatterPoint(settings.Scenario.Batch / c.DecodeSeconds, c.HeldOutDivergence.Mean, c.Name))],
        });
    }

    private void Scores(HtmlReport report)
    {
        report.Section("Scores").Paragraph(
            "KL(parent ‖ parent with one layer replaced), nats a token: one half of the layer is a variant, the other is the "
            + "parent's. The search uses the scores of all pairs.");
        report.Figure(ScoreMap("Feed-forward variants", layer => layer.FeedForward, variant => variant.FeedForward,
            (variant, parent) => variant.Mixer == parent.Mixer));
        report.Figure(ScoreMap("Mixer variants", layer => layer.Mixer, variant => variant.Mixer,
            (variant, parent) => variant.FeedForward == parent.FeedForward));
        var quality = new ReportTable("layer / variant", "error before distillation", "error after");
        foreach (var (key, value) in library.Quality)
        {
            quality.Add(key, Number(value.Before, "0.00000"), Number(value.After, "0.00000"));
        }

        report.Paragraph("Blockwise distillation: MSE(parent, variant) / MSE(parent, 0).").Table(quality);
    }

    private HeatMap ScoreMap<T>(
        string title, Func<LayerConfiguration, T> parentHalf, Func<BlockVariant, T> half,
        Func<BlockVariant, LayerConfiguration, bool> isSwapOfHalf)
        where T : notnull
    {
        var layers = inputs.Parent.Configuration.Layers;
        var columns = table.Variants.Select((variants, i) => variants.Where(v => isSwapOfHalf(v, layers[i])).Select(half)
            .Where(h => !h.Equals(parentHalf(layers[i])))).SelectMany(h => h).Distinct().ToList();
        var values = new double[layers.Length, columns.Count];
        for (int layer = 0; layer < layers.Length; layer++)
        {
            for (int c = 0; c < columns.Count; c++)
            {
                var variant = table.Variants[layer].FirstOrDefault(v => isSwapOfHalf(v, layers[layer]) && half(v).Equals(columns[c]));
                values[layer, c] = variant is null ? double.NaN : Math.Log10(Math.Max(1e-6, scores.Divergence(layer, variant).Mean));
            }
        }

        return new HeatMap
        {
            Title = title,
            ValueLabel = "log10 of KL",
            Rows = [.. Enumerable.Range(0, layers.Length).Select(i => $"layer {i}")],
            Columns = [.. columns.Select(c => c.ToString()!)],
            Values = values,
            Format = "0.0",
        };
    }

    private void Costs(HtmlReport report)
    {
        report.Section(table.HasPredictedTimes ? "Predicted costs of a block, not measured" : "Measured costs of a block");
        var rows = new ReportTable("block", "parameters", "bytes in the scenario", "decode µs", "prefill µs");
        var all = table.Variants.SelectMany(list => list).Distinct().ToList();
        foreach (var variant in all)
        {
            var cost = table.Cost(variant);
            rows.Add(
                variant.Label, (long)cost.Parameters, (long)cost.MemoryBytes, Number(cost.DecodeSeconds * 1e6, "0.00"),
                Number(cost.PrefillSeconds * 1e6, "0.0"));
        }

        report.Table(rows);
    }

    private int[] Choice(CandidateResult candidate) =>
        table.Choice(candidate.Layers);

    private static double Share(long kept, long whole) => whole == 0 ? 0 : Math.Min(1, (double)kept / whole);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
