using System.CommandLine;
using System.Globalization;
using Tessera.Interop;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>search</c>.</summary>
internal sealed class SearchVerbOptions
{
    private const int MostSolutions = 100;

    public Argument<string> Tables { get; } = new("tables") { Description = "A file of scores and costs in the form of docs/search.md, such as the tables.json of a compression." };

    public SearchLimitOptions Limits { get; } = new();

    public Option<string?> Score { get; } = new("--score") { Description = "Which of the tables' scores to minimise, such as kl, lm-loss or hidden; the tables' own by default." };

    public Option<string[]> Costs { get; } = new("--costs") { Description = "More loads: [SCENARIO=]FILE, a file from measure. May be repeated." };

    public Option<string?> Batch { get; } = new("--batch") { Description = "Comma-separated batches to solve for; all that the tables hold by default." };

    public Option<string[]> Scenario { get; } = new("--scenario") { Description = "A scenario to serve; all of the tables by default. May be repeated." };

    public Option<string> Objective { get; } = OneOf("--objective", "Over several scenarios with scores of their own: the weighted mean, or the worst.", "weighted", "worst");

    public Option<double?> Margin { get; } = new("--margin") { Description = "Share by which limits of time are tightened; the tables' own by default." };

    public Option<int> Solutions { get; } = new("--solutions") { Description = "How many solutions to find.", DefaultValueFactory = _ => 1 };

    public Option<string> Difference { get; } = new("--differ") { Description = "Share of the layers in which a further solution differs from every earlier one.", DefaultValueFactory = _ => "20%" };

    public Option<string?> Sweep { get; } = new("--sweep") { Description = "Solve along a row of limits as well, such as memory=100%..40%/7 or throughput=1x..3x/9." };

    public Option<string> Solver { get; } = OneOf("--solver", "embedded needs nothing; cbc is COIN-OR's, where it is installed.", "embedded", "cbc");

    public Option<string> TimeLimit { get; } = new("--time-limit") { Description = "Most time for each solve.", DefaultValueFactory = _ => "60s" };

    public Option<string> Gap { get; } = new("--gap") { Description = "Stop once the score is proven to be within this share of the optimum, such as 0.1%.", DefaultValueFactory = _ => "0%" };

    public Option<string?> Output { get; } = new("--out") { Description = "Folder for search.json, report.html and the sweep's sweep.csv and sweep.svg." };

    public Option<bool> Json { get; } = SharedOptions.Json();

    public IEnumerable<Option> All => Limits.All.Concat(
        [Score, Costs, Batch, Scenario, Objective, Margin, Solutions, Difference, Sweep, Solver, TimeLimit, Gap, Output, Json]);

    /// <summary>The tables, with the loads that are added to them.</summary>
    public SearchTables ToTables(ParseResult result)
    {
        string path = result.GetValue(Tables)!;
        var tables = SearchTablesReader.Read(path);
        tables = result.GetValue(Score) is { } kind ? TableScores.Choose(tables, kind, path) : tables;
        foreach (string given in result.GetValue(Costs) ?? [])
        {
            int equals = given.IndexOf('=', StringComparison.Ordinal);
            string file = given[(equals + 1)..];
            tables = MeasuredTables.With(tables, CostTableFile.ReadSet(file), equals > 0 ? given[..equals] : null, file);
        }

        return tables;
    }

    /// <summary>What to search.</summary>
    public TableSearchSettings ToSettings(ParseResult result, SearchTables tables)
    {
        string source = result.GetValue(Tables)!;
        bool isCbc = result.GetValue(Solver) == "cbc";
        if (isCbc && NativeLibraries.CbcFile.Load(LibraryFolders.System) is null)
        {
            throw new ArgumentException(
                $"--solver cbc: {string.Join(" or ", NativeLibraries.CbcFile.FileNames)} is not installed (Debian: coinor-libcbc3); --solver embedded needs nothing");
        }

        double difference = Share(result, Difference);
        int solutions = OptionChecks.AtLeast(result, Solutions, 1);
        return new TableSearchSettings
        {
            Targets = Limits.ToTargets(result, tables.Targets, source),
            Filter = Limits.ToFilter(result, tables, source),
            Margin = result.GetValue(Margin) is { } margin ? margin is >= 0 and <= 1e30 ? margin : throw new ArgumentException($"--margin {margin}: expected a number from 0") : tables.Margin,
            Scenarios = result.GetValue(Scenario) ?? [],
            Batches = ToBatches(result.GetValue(Batch)),
            Objective = result.GetValue(Objective) == "worst" ? ScoreObjective.Worst : ScoreObjective.Weighted,
            Solutions = solutions <= MostSolutions ? solutions : throw new ArgumentException($"--solutions {solutions}: expected at most {MostSolutions}"),
            Difference = difference,
            Sweep = result.GetValue(Sweep) is { } range ? SweepRange.Parse(range) : null,
            Options = new SearchOptions
            {
                TimeLimit = HumanUnits.ParseDuration(result.GetValue(TimeLimit)!, TimeLimit.Name),
                GapTolerance = Share(result, Gap),
                Engine = isCbc ? SearchEngine.Cbc : SearchEngine.Embedded,
            },
        };
    }

    private static double Share(ParseResult result, Option<string> option)
    {
        string text = result.GetValue(option)!;
        double share = HumanUnits.ParseRatio(text, option.Name);
        return share is >= 0 and <= 1 ? share : throw new ArgumentException($"{option.Name} {text}: expected a share from 0% to 100%");
    }

    private static int[] ToBatches(string? text) => text is null ? [] : [.. text.Split(',').Select(part =>
        int.TryParse(part.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int batch) && batch > 0
            ? batch
            : throw new ArgumentException($"--batch {text}: expected whole numbers from 1, separated by commas"))];

    private static Option<string> OneOf(string name, string description, params string[] values)
    {
        var option = new Option<string>(name) { Description = description, DefaultValueFactory = _ => values[0] };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
