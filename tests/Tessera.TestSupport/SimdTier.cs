using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using System.Text.RegularExpressions;
using Xunit;

namespace Tessera.TestSupport;

/// <summary>
/// Runs the tests of the running program once more in a child process in which the runtime may use fewer instructions, so that the
/// code for other machines passes the same tests.
/// </summary>
/// <remarks>Switches of .NET 10; a name that the runtime does not know is ignored, so the child proves which tier it is in.</remarks>
public static partial class SimdTier
{
    private const string Variable = "TESSERA_SIMD_TIER";

    /// <summary>Tier names with the runtime's switch: 512-bit vectors off; AVX2 and FMA off as well; no vectors at all.</summary>
    private static readonly Dictionary<string, string> Switches = new()
    {
        ["Vector256"] = "DOTNET_EnableAVX512",
        ["Vector128"] = "DOTNET_EnableAVX2",
        ["scalar"] = "DOTNET_EnableHWIntrinsic",
    };

    /// <summary>Whether this process is such a child.</summary>
    public static bool IsChild => Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>Runs tests in a tier and fails with the names of those that failed there.</summary>
    /// <param name="tier"><c>Vector256</c>, <c>Vector128</c> or <c>scalar</c>.</param>
    /// <param name="atLeast">How many tests must have run: a filter that finds nothing is a mistake.</param>
    /// <param name="filter">Options of the test program.</param>
    public static void Run(string tier, int atLeast, params string[] filter)
    {
        Assert.SkipWhen(IsChild, "this process is itself the child of such a test");
        var info = new ProcessStartInfo(Environment.ProcessPath!, ["-noLogo", "-noColor", .. filter])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        info.Environment[Switches[tier]] = "0";
        info.Environment[Variable] = tier;
        using var child = Process.Start(info)!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        string[] failed = [.. output.Split('\n').Where(line => line.Contains("[FAIL]", StringComparison.Ordinal)).Select(line => line.Trim())];
        Assert.True(failed.Length == 0, $"with {tier}: {string.Join(", ", failed)}\n{output}");
        Match total = Totals().Match(output);
        Assert.True(total.Success && child.ExitCode == 0, $"with {tier} the tests ended with code {child.ExitCode}:\n{output}");
        Assert.InRange(int.Parse(total.Groups[1].Value, CultureInfo.InvariantCulture), atLeast, int.MaxValue);
    }

    /// <summary>In a child: the instructions that were to be off are off.</summary>
    public static void AssertOwn()
    {
        string? tier = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(tier is null, "this process runs with all of its machine's instructions");
        Assert.False(Vector512.IsHardwareAccelerated);
        Assert.False(Vector256.IsHardwareAccelerated && tier != "Vector256");
        Assert.False(Vector128.IsHardwareAccelerated && tier == "scalar");
    }

    [GeneratedRegex(@"Total: (\d+), Errors: 0, Failed: 0,")]
    private static partial Regex Totals();
}
