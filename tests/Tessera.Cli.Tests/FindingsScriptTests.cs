using System.Diagnostics;
using System.Globalization;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>The driver of the findings: its commands are those of this program, and its verdicts follow from its numbers.</summary>
public sealed class FindingsScriptTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tessera-findings-").FullName;

    private static string Script => Path.Combine(SharedData.RepositoryRoot, "benchmarks", "findings", "findings.py");

    [Fact]
    public void Every_command_is_understood_and_no_two_write_to_one_folder()
    {
        Assert.SkipUnless(HasPython, "there is no python3 or no shell");
        string program = Program("echo --target --score --rescore");
        var run = Run("run", "--tessera", program, "--out", Path.Combine(_root, "out"), "--seeds", "1,2", "--text", "prose.txt", "--dry-run");
        Assert.True(run.Code == 0, run.Error);
        string[][] commands = [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[1..])];
        string[] written = [.. commands.Select(command => command[Array.IndexOf(command, "--out") + 1])];
        Assert.Equal(written.Length, written.Distinct().Count());
        var known = Cli.Root().Subcommands.Single(verb => verb.Name == "compress").Options.Select(option => option.Name).ToHashSet();
        string[] verbs = ["tokenizer", "init", "measure", "train", "compress", "distill"];
        Assert.Equal(verbs, commands.Select(command => command[0]).Distinct());
        foreach (string[] command in commands)
        {
            // What later versions of compress may offer is left out here, with its value.
            string[] offered = [.. command.Where((word, index) => !IsUnknown(word) && (index == 0 || !IsUnknown(command[index - 1])))];
            Assert.Empty(Cli.Root().Parse(offered).Errors);
        }

        Assert.Equal(2 * 3 * 3, commands.Count(command => command.Contains("--score")));
        Assert.Equal(2 * 3, commands.Count(command => command.Contains("--fuse")));

        bool IsUnknown(string word) => word is "--score" or "--rescore" && !known.Contains(word);
    }

    [Fact]
    public void Findings_are_confirmed_refuted_or_undecided_by_intervals_over_parents()
    {
        Assert.SkipUnless(HasPython, "there is no python3 or no shell");
        // Four parents. The exact choice has half of greedy's KL, give or take; uniform's is a tenth of greedy's; parameter-max is now above, now below.
        double[] noise = [1.0, 1.1, 0.9, 1.05];
        double[] coin = [4, 0.25, 3, 0.3];
        string results = Path.Combine(_root, "results.jsonl");
        File.WriteAllLines(results, Enumerable.Range(0, 4).SelectMany(parent => new[] { "1.5x", "2x" }.SelectMany(limit => new[]
        {
            Line(parent, "main", limit, "child", 0.01 * noise[parent]), Line(parent, "main", limit, "greedy", 0.02),
            Line(parent, "main", limit, "uniform", 0.002 * noise[parent]), Line(parent, "main", limit, "parameter-max", 0.01 * coin[parent]),
        })));
        string page = Path.Combine(_root, "findings.md");
        File.WriteAllText(page, "before\n<!-- findings: begin -->\nold\n<!-- findings: end -->\nafter\n");
        var run = Run("table", "--results", results, "--markdown", page);
        Assert.True(run.Code == 0, run.Error);
        string[] exact = Row(run.Output, "exact search below greedy");
        Assert.Equal("8", exact[1]);
        // The geometric mean of four ratios, and Student's t at three degrees of freedom.
        double[] logs = [.. noise.Select(value => Math.Log(value / 2))];
        double mean = logs.Average(), width = 3.182 * Math.Sqrt(logs.Sum(value => Math.Pow(value - mean, 2)) / 3 / 4);
        Assert.Equal(
            [Text(Math.Exp(mean)), $"{Text(Math.Exp(mean - width))} to {Text(Math.Exp(mean + width))}", "confirmed"], exact[2..]);
        Assert.Equal("refuted", Row(run.Output, "greedy below uniform")[4]);
        Assert.Equal("undecided", Row(run.Output, "exact search below parameter-max")[4]);
        string written = File.ReadAllText(page);
        Assert.StartsWith("before\n", written, StringComparison.Ordinal);
        Assert.EndsWith("<!-- findings: end -->\nafter\n", written, StringComparison.Ordinal);
        Assert.DoesNotContain("old", written, StringComparison.Ordinal);
        Assert.Contains(run.Output.Trim(), written, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_killed_goes_on_and_what_is_done_is_not_repeated()
    {
        Assert.SkipUnless(HasPython, "there is no python3 or no shell");
        // A program that notes its starts, and cannot compress before it is mended.
        string count = Path.Combine(_root, "count");
        string program = Program($$"""
            [ "$2" = --help ] && exit 0
            echo "$1" >> {{count}}
            [ "$1" = compress ] && [ ! -e {{_root}}/mended ] && exit 1
            exit 0
            """);
        string[] arguments = ["run", "--tessera", program, "--out", Path.Combine(_root, "out"), "--sizes", "small", "--seeds", "1", "--workers", "2"];
        var first = Run(arguments);
        Assert.Equal(1, first.Code);
        Assert.Contains("failed: small-1/main-1.5x", first.Error, StringComparison.Ordinal);
        int trained = File.ReadAllLines(count).Count(verb => verb == "train");
        File.WriteAllText(Path.Combine(_root, "mended"), string.Empty);
        Directory.CreateDirectory(Path.Combine(_root, "out", "small", "1", "runs", "main-1.5x", "library-0123456789ab"));
        Directory.CreateDirectory(Path.Combine(_root, "out", "small", "1", "runs", "untrained-1.5x"));
        var second = Run(arguments);
        Assert.True(second.Code == 0, second.Error);
        Assert.Equal((1, 1), (trained, File.ReadAllLines(count).Count(verb => verb == "train")));
        // Stages of the first compression are there for those that share them.
        Assert.True(Directory.Exists(Path.Combine(_root, "out", "small", "1", "runs", "heal-KL", "library-0123456789ab")));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static bool HasPython { get; } = !OperatingSystem.IsWindows() && (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, "python3")));

    private string Program(string lines)
    {
        string path = Path.Combine(_root, "program");
        File.WriteAllText(path, $"#!/bin/sh\n{lines}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        return path;
    }

    private static string[] Row(string table, string finding) => table.Split('\n').Single(line => line.StartsWith($"| {finding} |", StringComparison.Ordinal))
        .Trim('|', ' ').Split(" | ");

    private static string Text(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Line(int parent, string experiment, string limit, string model, double kl) => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"size": "small", "seed": {{parent}}, "experiment": "{{experiment}}", "limit": "{{limit}}", "model": "{{model}}", "kl": {{kl:R}}, "scoring_kl": {{kl:R}}, "predicted": {{kl:R}}, "blocks": "{{model}}"}""");

    private static CliRun Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("python3", [Script, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // No compiled files beside the scripts.
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliRun(process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
