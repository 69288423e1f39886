using System.CommandLine;
using Tessera.Cli.Output;
using Tessera.Puzzle.Tables;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>search</c>: the choice of blocks from saved scores and costs, under any limits.</summary>
internal static class SearchCommand
{
    public static Command Create()
    {
        var options = new SearchVerbOptions();
        var command = new Command("search", "Choose blocks from saved scores and costs: repeats only the search of compress.") { options.Tables };
        foreach (var option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options, result));
        return command;
    }

    private static void Run(SearchVerbOptions options, ParseResult parsed)
    {
        var tables = options.ToTables(parsed);
        var settings = options.ToSettings(parsed, tables);
        var result = TableSearch.Run(tables, settings);
        object document = SearchDocument.Of(tables, settings, result);
        if (parsed.GetValue(options.Output) is { } folder)
        {
            OptionChecks.Output(folder, "search.json");
            Directory.CreateDirectory(folder);
            AtomicFile.WriteAllText(Path.Combine(folder, "search.json"), JsonOutput.Text(document) + "\n");
            new SearchReport(tables, settings, result).Save(folder);
        }

        if (parsed.GetValue(options.Json))
        {
            JsonOutput.Print(document);
            return;
        }

        SearchText.Print(tables, settings, result);
        if (parsed.GetValue(options.Output) is { } written)
        {
            Console.WriteLine($"report: {Path.Combine(written, "report.html")}");
        }
    }
}
