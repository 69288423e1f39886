using System.CommandLine;
using Tessera.Puzzle.Reports;

namespace Tessera.Cli.Commands;

/// <summary><c>report</c>: the page of a compression made again, or several compressions on one.</summary>
internal static class ReportCommand
{
    private const string PageName = "report.html";

    public static Command Create()
    {
        var runs = new Argument<string[]>("run")
        {
            Description = "Folders given to compress --out, or result-HASH folders in them; several are compared.",
            Arity = ArgumentArity.OneOrMore,
        };
        var output = new Option<string?>("--out") { Description = "The page; report.html in the run's folder where there is one run." };
        var command = new Command("report", "Make the page of a compression again, or compare several compressions on one page.") { runs, output };
        command.SetAction(result => Run(result.GetValue(runs)!, result.GetValue(output)));
        return command;
    }

    private static void Run(string[] folders, string? output)
    {
        string path = output ?? (folders.Length == 1
            ? Path.Combine(folders[0], PageName)
            : throw new ArgumentException("several runs need --out FILE for their common page"));
        if (Directory.Exists(path))
        {
            path = Path.Combine(path, PageName);
        }

        var read = folders.Select(CompressionRun.Read).ToList();
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } parent)
        {
            Directory.CreateDirectory(parent);
        }

        if (read.Count == 1)
        {
            new CompressionReport(read[0]).Save(path);
        }
        else
        {
            new ComparisonReport(read).Save(path);
        }

        Console.WriteLine($"report: {path}");
    }
}
