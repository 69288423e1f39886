using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>The front of predicted KL against speed and memory, searched for in the run's tables, with what was assembled beside it.</summary>
internal static class ParetoSection
{
    private const int Steps = 13;

    // A page is not worth waiting for: near the optimum is near enough for a line. Nodes, not seconds, so that it is repeatable.
    private static readonly SearchOptions Options = new() { GapTolerance = 1e-3, NodeLimit = 20_000, TimeLimit = TimeSpan.FromSeconds(3) };

    public static void Add(HtmlReport report, CompressionRun run)
    {
        if (run.Tables is not { } tables)
        {
            return;
        }

        var filter = new VariantFilter(
            [.. tables.Pins.Select(pin => VariantSelector.Parse(pin, "pin"))], [.. tables.Exclusions.Select(text => VariantSelector.Parse(text, "exclude"))]);
        var search = new LoadSetSearch(tables, [tables.Loads[0]], new TableSearchSettings { Filter = filter, Options = Options });
        report.Section("Pareto front").Paragraph(
            $"The least summed score at every limit of one quantity, no other limit set, with the greedy and the uniform choice under the same limit. Scores: {tables.ScoreName}. "
            + "Points are the models of this run: named where the tables predict them, and once more where the assembled model was found.");
        var parent = search.Parent[0];
        // As far as twice the child's speed: what is left of a model beyond that is of no use to anybody.
        double fastest = 0.99 * parent.RunSeconds / Least(search, amounts => amounts.RunSeconds);
        double child = run.PredictedAmounts(run.Child) is { } chosen ? parent.RunSeconds / chosen.RunSeconds : 1;
        fastest = Math.Min(fastest, Math.Max(2.5, 2 * child));
        if (fastest > 1.02)
        {
            var range = SweepRange.Parse(FormattableString.Invariant($"throughput=1x..{fastest:0.####}x/{Steps}"));
            Figure(
                report, run, search.Sweep(range), "Predicted KL against throughput", "generated tokens/s, times the parent's",
                amounts => parent.RunSeconds / amounts.RunSeconds,
                candidate => Throughput(run, candidate) / Throughput(run, run.Parent));
        }

        double smallest = Least(search, amounts => amounts.MemoryBytes) / parent.MemoryBytes;
        if (smallest < 0.98)
        {
            var range = SweepRange.Parse(FormattableString.Invariant($"memory=100%..{Math.Min(99, 101 * smallest):0.####}%/{Steps}"));
            Figure(
                report, run, search.Sweep(range), "Predicted KL against memory", "weights and cache, share of the parent's in percent",
                amounts => 100 * amounts.MemoryBytes / parent.MemoryBytes,
                candidate => run.PredictedAmounts(candidate) is { } amounts ? 100 * amounts.MemoryBytes / parent.MemoryBytes : double.NaN);
        }
    }

    /// <summary>The least that any choice takes of an amount.</summary>
    private static double Least(LoadSetSearch search, Func<Amounts, double> amount)
    {
        var variants = search.Variants;
        return amount(search.Base) + variants.Sum(layer => layer.Min(variant => amount(search.Cost(variant))));
    }

    private static double Throughput(CompressionRun run, CandidateResult candidate) =>
        run.Result.Scenario.Throughput(candidate.PrefillSeconds, candidate.DecodeSeconds);

    private static void Figure(
        HtmlReport report, CompressionRun run, IReadOnlyList<SweepPoint> sweep, string title, string axis, Func<Amounts, double> predicted,
        Func<CandidateResult, double> realised)
    {
        ChartSeries Line(string name, Func<SweepPoint, ServedSolution?> of) => new(
            name, [.. sweep.Select(of).OfType<ServedSolution>().Select(solution => (predicted(solution.Amounts[0]), solution.Score)).Distinct().OrderBy(point => point.Item1)]);
        var front = Line("exact search", point => point.Best);
        ChartSeries[] lines =
        [
            front, Line("greedy", point => point.Baselines.FirstOrDefault(solution => solution.Name == "greedy")),
            Line("uniform", point => point.Baselines.FirstOrDefault(solution => solution.Name == "uniform")),
        ];
        var points = new List<ScatterPoint>();
        var numbers = new ReportTable("model", axis, "KL");
        foreach (var candidate in run.Result.Candidates.Skip(1))
        {
            if (run.PredictedAmounts(candidate) is { } amounts)
            {
                points.Add(new ScatterPoint(predicted(amounts), candidate.PredictedDivergence, candidate.Name, "predicted for this run"));
                numbers.Add($"{candidate.Name}, predicted", predicted(amounts), candidate.PredictedDivergence);
            }

            points.Add(new ScatterPoint(realised(candidate), candidate.ScoringDivergence.Mean, string.Empty, "realised") { Detail = $"{candidate.Name}, realised" });
            numbers.Add($"{candidate.Name}, realised", realised(candidate), candidate.ScoringDivergence.Mean);
        }

        foreach (var (x, y) in front.Points)
        {
            numbers.Add("exact search", x, y);
        }

        report.Figure(
            new ScatterChart { Title = title, XLabel = axis, YLabel = "KL, nats a token", LogY = true, Lines = lines, Points = points },
            "Lower is better. A realised point straight above or below its predicted one departs in KL alone; what lies beside it departs in cost.",
            $"{PuzzlePaper}: the mixed-integer search, and its comparison with greedy and parameter-maximal choices.", numbers);
    }
}
