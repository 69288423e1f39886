using System.Globalization;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Runs;

namespace Tessera.Cli.Output;

/// <summary>What a search found as text.</summary>
internal static class SearchText
{
    public static void Print(SearchTables tables, TableSearchSettings settings, TableSearchResult result)
    {
        var search = result.Chosen.Search;
        var best = result.Chosen.Best!;
        Console.WriteLine(
            $"{(tables.Model.Length > 0 ? tables.Model + ": " : string.Empty)}{tables.Layers.Count} layers, {search.Variants.Sum(layer => layer.Count):N0} variants; "
            + $"targets {(settings.Targets.Count > 0 ? string.Join(", ", settings.Targets.Select(target => target.Text)) : "none")}");
        for (int load = 0; load < search.Loads.Count; load++)
        {
            Console.WriteLine();
            PrintSolutions(result, load);
        }

        Console.WriteLine();
        PrintCertificate(best.Certificate!, best.Score);
        foreach (var use in search.Limits(best))
        {
            Console.WriteLine(use.Text);
        }

        PrintBatches(result);
        PrintSweep(result.Sweep);
        Console.WriteLine();
        PrintBlocks(tables, best);
    }

    private static void PrintSolutions(TableSearchResult result, int load)
    {
        var search = result.Chosen.Search;
        var table = new TextTable(
            Title(search.Loads[load]), ">score", ">memory", ">KV", ">parameters", ">ttft", ">decode", ">latency", ">throughput", ">total throughput");
        Add(table, search.Loads[load], "parent", null, search.Parent[load]);
        foreach (var solution in result.Chosen.Solutions.Concat(result.Baselines))
        {
            Add(table, search.Loads[load], solution.Name, solution.Score, solution.Amounts[load]);
        }

        table.Print();
    }

    private static string Title(LoadTable load) => load.IsPredicted ? $"{load.Label}, predicted" : load.Label;

    private static void Add(TextTable table, LoadTable load, string name, double? score, Amounts amounts) => table.Add(
        name, Score(score), Bytes(amounts.MemoryBytes), Bytes(amounts.KvBytes),
        HumanUnits.FormatCount((long)amounts.Parameters), load.HasPhases ? Time(amounts.PrefillSeconds) : "-", load.HasPhases ? Time(amounts.DecodeSeconds) : "-",
        Time(amounts.RunSeconds), Rate(load.GeneratedTokens / amounts.RunSeconds), Rate(load.AllTokens / amounts.RunSeconds));

    private static void PrintCertificate(SearchResult result, double score) => Console.WriteLine(FormattableString.Invariant(
        $"score {score:G7}, no choice below {result.LowerBound:G7} (gap {result.Gap:P4}, {(result.Status == SearchStatus.Optimal ? "proven" : "stopped before the proof")}); Lagrangian bound {result.RootBound:G7}; {result.Nodes} nodes in {result.Elapsed.TotalSeconds:F2} s"));

    private static void PrintBatches(TableSearchResult result)
    {
        if (result.Batches.Count < 2)
        {
            return;
        }

        Console.WriteLine();
        var table = new TextTable("load", ">score", ">gap", ">memory", ">throughput", "Pareto", "chosen");
        foreach (var batch in result.Batches)
        {
            var best = batch.Best;
            table.Add(
                TableSearch.Batches(batch.Search), best is null ? "not possible" : Score(best.Score),
                best is null ? "-" : Number(best.Certificate!.Gap, "P3"), best is null ? "-" : Bytes(best.Amounts.Max(amounts => amounts.MemoryBytes)),
                best is null ? "-" : string.Join(" / ", batch.Search.Loads.Select((load, index) => Rate(load.GeneratedTokens / best.Amounts[index].RunSeconds))),
                batch.IsPareto ? "yes" : string.Empty, ReferenceEquals(batch, result.Chosen) ? "yes" : string.Empty);
        }

        table.Print();
    }

    private static void PrintSweep(IReadOnlyList<SweepPoint> sweep)
    {
        if (sweep.Count == 0)
        {
            return;
        }

        Console.WriteLine();
        var table = new TextTable("sweep", "load", ">score", ">gap", ">greedy", ">uniform", ">memory", ">throughput");
        foreach (var point in sweep)
        {
            var best = point.Best;
            table.Add(
                point.Step.Text, string.Join(", ", point.Loads.Select(load => $"{load.Scenario} batch {load.Batch}")),
                best is null ? "not possible" : Score(best.Score), best is null ? "-" : Number(best.Certificate!.Gap, "P3"),
                Score(point.ScoreOf("greedy")), Score(point.ScoreOf("uniform")), best is null ? "-" : Bytes(best.Amounts.Max(amounts => amounts.MemoryBytes)),
                best is null ? "-" : string.Join(" / ", point.Loads.Select((load, index) => Rate(load.GeneratedTokens / best.Amounts[index].RunSeconds))));
        }

        table.Print();
    }

    /// <summary>Neighbouring layers of the same choice in one row.</summary>
    private static void PrintBlocks(SearchTables tables, ServedSolution best)
    {
        var table = new TextTable("layers", "attention", "feed-forward", ">score", "parent");
        for (int first = 0; first < best.Variants.Count;)
        {
            int last = first;
            while (last + 1 < best.Variants.Count && best.Variants[last + 1].Label == best.Variants[first].Label
                && tables.Layers[last + 1] is var next && next.Mixer == tables.Layers[first].Mixer && next.FeedForward == tables.Layers[first].FeedForward)
            {
                last++;
            }

            var (variant, own) = (best.Variants[first], tables.Layers[first]);
            double score = Enumerable.Range(first, last - first + 1).Sum(layer => best.Variants[layer].Score);
            table.Add(
                first == last ? $"{first}" : $"{first}-{last}", variant.Mixer, variant.FeedForward, Score(score),
                variant.Mixer == own.Mixer && variant.FeedForward == own.FeedForward ? "as it is" : $"{own.Mixer} {own.FeedForward}");
            first = last + 1;
        }

        table.Print();
    }

    // Scores range from a millionth to hundreds, by the model and by how much is cut.
    private static string Score(double? score) => score switch
    {
        null => "-",
        0 => "0",
        { } value => Number(value, Math.Abs(value) < 0.01 ? "G4" : "0.00000"),
    };

    private static string Bytes(double bytes) => HumanUnits.FormatBytes((long)bytes);

    private static string Time(double seconds) => HumanUnits.FormatDuration(TimeSpan.FromSeconds(seconds));

    private static string Rate(double rate) => $"{Number(rate, rate >= 100 ? "N0" : "0.##")} tok/s";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
