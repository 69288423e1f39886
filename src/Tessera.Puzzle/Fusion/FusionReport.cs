using System.Globalization;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Fusion;

/// <summary>Tables and pictures of a fusion.</summary>
internal static class FusionReport
{
    /// <summary>Adds the section on what was fused, and the matrix behind it.</summary>
    /// <param name="report">The report.</param>
    /// <param name="fusion">What was found.</param>
    /// <param name="scenario">The load of the times.</param>
    public static void AddFusion(HtmlReport report, FusionOutcome fusion, ServingScenario scenario) =>
        AddFusion(report, fusion.Comparison, fusion.Dependency, scenario);

    /// <summary>Adds the section from what a run left on the disk.</summary>
    /// <param name="report">The report.</param>
    /// <param name="fused">Before and after; null where nothing could be fused.</param>
    /// <param name="matrix">The dependencies that were measured, or null without data.</param>
    /// <param name="scenario">The load of the times.</param>
    public static void AddFusion(HtmlReport report, FusionComparison? fused, DependencyMatrix? matrix, ServingScenario scenario)
    {
        report.Section("Fusion");
        if (fused is { } comparison)
        {
            report.Paragraph(
                (comparison.WholeBlocks
                    ? "The attentions of a run are one wide one that sees what the first of them sees, and so are its feed-forwards behind it. KL"
                    : "The feed-forwards of a run are one wide one that sees what the first of them sees. KL")
                + " is KL(parent ‖ model) in nats a "
                + "token on held-out documents before any healing; both models are timed in turn.");
            report.Table(Sides(comparison, scenario)).Paragraph(string.Create(
                CultureInfo.InvariantCulture,
                $"Generation steps after over before: {comparison.DecodeSpeedUp:0.000} ± {comparison.DecodeSpeedUpSpread:0.000} ({comparison.Rounds} rounds)."));
            report.Table(Runs(matrix, comparison));
        }
        else
        {
            report.Paragraph("No two neighbouring feed-forwards may be fused here.");
        }

        if (matrix is { } dependency)
        {
            report.Figure(dependency.ToFigure(), string.Create(
                CultureInfo.InvariantCulture,
                $"Mean over {dependency.Tokens:N0} tokens of {dependency.Documents:N0} documents. Row: the layer taken away. Column: the layer that changes. Small values: the layers may run side by side."),
                "FFN Fusion (Bercovich et al. 2025), dependency between blocks.", null);
        }
    }

    /// <summary>A KL with its error, or a dash without data.</summary>
    internal static string Text(Estimate? divergence) => divergence is { } kl
        ? string.Create(CultureInfo.InvariantCulture, $"{kl.Mean:0.00000} ± {kl.StandardError:0.00000}")
        : "–";

    private static ReportTable Sides(FusionComparison comparison, ServingScenario scenario)
    {
        var rows = new ReportTable("model", "layers", "parameters", "decode tokens/s", "prefill tokens/s", "KL ± s.e.", "accuracy");
        foreach (var (name, side) in ((string, FusionSide)[])[("before", comparison.Before), ("after", comparison.After)])
        {
            rows.Add(
                name, side.Layers.Count, side.Parameters, Number(scenario.Batch / side.DecodeSeconds, "N0"),
                Number(scenario.Batch * scenario.InputLength / side.PrefillSeconds, "N0"), Text(side.Divergence),
                side.Problems == 0 ? "–" : Number(100.0 * side.Correct / side.Problems, "0.0") + " %");
        }

        return rows;
    }

    private static ReportTable Runs(DependencyMatrix? matrix, FusionComparison comparison)
    {
        var rows = new ReportTable("run", "widths", "fused width", "largest dependency", "mean dependency");
        foreach (var run in comparison.Runs.SelectMany(FusionRun.ParseList))
        {
            var members = Enumerable.Range(run.First, run.Count)
                .Where(layer => WidthOf(comparison.Before.Layers[layer]) > 0).ToList();
            int[] widths = [.. members.Select(layer => WidthOf(comparison.Before.Layers[layer]))];
            double[] values = matrix is not { } dependency
                ? []
                : [.. members.SelectMany(i => members.Where(j => j > i).Select(j => dependency[i, j]))];
            rows.Add(
                run, string.Join(" + ", widths), widths.Sum(), values.Length == 0 ? "–" : Number(values.Max(), "0.0000"),
                values.Length == 0 ? "–" : Number(values.Average(), "0.0000"));
        }

        return rows;
    }

    /// <summary>Width of the feed-forward that a layer's label names, such as <c>none ffn128</c>; 0 where it has none.</summary>
    private static int WidthOf(string label)
    {
        const string Prefix = "ffn";
        string half = label.Split(' ')[^1].Split('-')[0];
        return half.StartsWith(Prefix, StringComparison.Ordinal)
            && int.TryParse(half.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int width) ? width : 0;
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
