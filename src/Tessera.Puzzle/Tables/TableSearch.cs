using Tessera.Puzzle.Compression;

namespace Tessera.Puzzle.Tables;

/// <summary>The choice of blocks from tables: for every batch, or every combination where there are several scenarios, one search.</summary>
public static class TableSearch
{
    private const int MostCombinations = 256;

    /// <summary>Searches.</summary>
    /// <exception cref="InfeasibleTargetException">No choice of blocks meets the limits at any batch; the sentences say what comes nearest.</exception>
    /// <exception cref="ArgumentException">Settings do not fit the tables; one sentence.</exception>
    public static TableSearchResult Run(SearchTables tables, TableSearchSettings settings)
    {
        var searches = Combinations(tables, settings).Select(loads => new LoadSetSearch(tables, loads, settings)).ToList();
        var solved = searches.Select(search => (Search: search, Solutions: search.Solve())).ToList();
        if (solved.All(pair => pair.Solutions.Count == 0))
        {
            throw new InfeasibleTargetException([.. searches.SelectMany(search => searches.Count == 1
                ? search.Explain()
                : search.Explain().Select(sentence => $"[{Batches(search)}] {sentence}"))]);
        }

        var batches = solved.Select(pair => new BatchResult(
            pair.Search, pair.Solutions, pair.Solutions.Count > 0 && !solved.Exists(other => Dominates(other, pair)))).ToList();
        var chosen = batches.Where(batch => batch.Best is not null).OrderBy(batch => batch.Best!.Score)
            .ThenByDescending(batch => Throughput(batch.Search, batch.Best!).Sum()).First();
        return new TableSearchResult(
            batches, chosen, chosen.Search.Baselines(),
            settings.Sweep is { } range ? [.. searches.SelectMany(search => search.Sweep(range))] : []);
    }

    /// <summary>The batches of a set of loads, for reports.</summary>
    public static string Batches(LoadSetSearch search) => search.Loads.Count == 1
        ? $"batch {search.Loads[0].Batch}"
        : string.Join(", ", search.Loads.Select(load => $"{load.Scenario} at batch {load.Batch}"));

    private static List<List<LoadTable>> Combinations(SearchTables tables, TableSearchSettings settings)
    {
        string[] known = [.. tables.Loads.Select(load => load.Scenario).Distinct()];
        string[] scenarios = settings.Scenarios.Count == 0 ? known : [.. settings.Scenarios.Distinct()];
        List<List<LoadTable>> sets = [[]];
        foreach (string scenario in scenarios)
        {
            LoadTable[] all = [.. tables.Loads.Where(load => load.Scenario == scenario).OrderBy(load => load.Batch)];
            if (all.Length == 0)
            {
                throw new ArgumentException($"--scenario {scenario}: the tables hold no such scenario, expected {string.Join(" or ", known)}");
            }

            LoadTable[] loads = settings.Batches.Count == 0 ? all : [.. all.Where(load => settings.Batches.Contains(load.Batch))];
            if (loads.Length == 0)
            {
                throw new ArgumentException(
                    $"--batch {string.Join(',', settings.Batches)}: the scenario {scenario} was measured at batch {string.Join(", ", all.Select(load => load.Batch))} alone");
            }

            sets = [.. sets.SelectMany(set => loads.Select(load => (List<LoadTable>)[.. set, load]))];
            if (sets.Count > MostCombinations)
            {
                throw new ArgumentException($"--batch: scenarios and batches make more than {MostCombinations} combinations, name fewer");
            }
        }

        int missing = settings.Batches.FirstOrDefault(batch => tables.Loads.All(load => load.Batch != batch), -1);
        return missing < 0 ? sets : throw new ArgumentException($"--batch {missing}: the tables hold no times of this batch");
    }

    private static IEnumerable<double> Throughput(LoadSetSearch search, ServedSolution solution) =>
        search.Loads.Select((load, index) => load.GeneratedTokens / solution.Amounts[index].RunSeconds);

    private static bool Dominates(
        (LoadSetSearch Search, IReadOnlyList<ServedSolution> Solutions) one, (LoadSetSearch Search, IReadOnlyList<ServedSolution> Solutions) other)
    {
        if (one.Solutions.Count == 0 || ReferenceEquals(one.Search, other.Search))
        {
            return false;
        }

        double[] left = Figures(one.Search, one.Solutions[0]), right = Figures(other.Search, other.Solutions[0]);
        return left.Zip(right).All(pair => pair.First <= pair.Second) && left.Zip(right).Any(pair => pair.First < pair.Second);
    }

    // All smaller is better.
    private static double[] Figures(LoadSetSearch search, ServedSolution solution) =>
        [solution.Score, solution.Amounts.Max(amounts => amounts.MemoryBytes), .. Throughput(search, solution).Select(rate => -rate)];
}
