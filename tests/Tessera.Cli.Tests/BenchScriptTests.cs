using System.Diagnostics;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>The script that measures beside peers on a GPU host: its commands are those of this program.</summary>
public sealed class BenchScriptTests
{
    private static string Script => Path.Combine(SharedData.RepositoryRoot, "benchmarks", "gpu.sh");

    [Fact]
    public void Commands_are_in_turn_and_their_options_are_understood()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the script is for bash on Linux");
        string[] lines = Run(
            "--dry-run", "--program", "/bin/true", "--out", Path.GetTempPath(), "--pieces", "kernels,train,decode,int8", "--device", "tpu", "--filter", "gemm").Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[][] commands = [.. lines.Where(line => line.StartsWith("/bin/true ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1..])];
        Assert.Equal(8, commands.Length);
        Assert.Equal(
            ["kernels", "kernels", "train", "train", "decode", "decode", "decode", "decode"], commands.Select(command => command[1]));
        foreach (string[] command in commands)
        {
            CliRun.Refused(command, "--device tpu");
        }

        int first = Array.FindIndex(lines, line => line.Contains("train.py", StringComparison.Ordinal));
        Assert.Contains("bench train", lines[first - 1], StringComparison.Ordinal);
        Assert.Contains("--mode eager", lines[first], StringComparison.Ordinal);
        Assert.Contains("--mode compiled", lines[first + 1], StringComparison.Ordinal);
        Assert.Contains("bench train", lines[first + 2], StringComparison.Ordinal);
        Assert.Equal(2, lines.Count(line => line.Contains("decode.py", StringComparison.Ordinal) && line.EndsWith("--modes static", StringComparison.Ordinal)));
    }

    [Fact]
    public void Unknown_pieces_options_and_programs_are_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the script is for bash on Linux");
        Assert.Equal(2, Run("--dry-run", "--program", "/bin/true", "--out", Path.GetTempPath(), "--pieces", "trains").Code);
        Assert.Equal(2, Run("--fast").Code);
        Assert.Equal(2, Run("--program", "/no/such/program", "--out", Path.GetTempPath()).Code);
        Assert.Equal(2, Run().Code);
    }

    private static CliRun Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("bash", [Script, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliRun(process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
