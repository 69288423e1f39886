using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Tessera.Interop;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

public sealed class SearchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-search").FullName;
    private readonly string _tables;

    public SearchTests()
    {
        string page = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "docs", "search.md"));
        _tables = Path.Combine(_folder, "tables.json");
        File.WriteAllText(_tables, Regex.Match(page, "```json\n(.*?)```", RegexOptions.Singleline).Groups[1].Value);
    }

    public static bool HasCbc { get; } = NativeLibraries.CbcFile.Load(LibraryFolders.System) is not null;

    [Fact]
    public void The_documented_tables_are_searched_under_their_own_limits()
    {
        string text = CliRun.Good("search", _tables).Output;
        Assert.Contains("a model of three layers: 3 layers, 8 variants; targets throughput>=1.2x, memory<=95%", text, StringComparison.Ordinal);
        foreach (string part in (string[])["parent", "best", "greedy", "parameter-max", "gap 0.0000 %, proven", "would lower the score by about", "1-2", "as it is"])
        {
            Assert.Contains(part, text, StringComparison.Ordinal);
        }

        var document = CliRun.Good("search", _tables, "--json").Json();
        var best = document.GetProperty("solutions")[0];
        Assert.Equal(0.031, best.GetProperty("score").GetDouble(), 1e-12);
        Assert.Equal(0.5016, best.GetProperty("costs")[0].GetProperty("run_seconds").GetDouble(), 1e-9);
        Assert.Equal(8 * 128 / 0.5016, best.GetProperty("costs")[0].GetProperty("throughput").GetDouble(), 1e-6);
        Assert.Equal(8 * 384 / 0.5016, best.GetProperty("costs")[0].GetProperty("total_throughput").GetDouble(), 1e-6);
        Assert.True(best.GetProperty("lagrangian_bound").GetDouble() <= 0.031);
        Assert.Equal(["kv8 ffn2048", "kv8 ffn512", "kv8 ffn512"], best.GetProperty("layers").EnumerateArray()
            .Select(layer => $"{layer.GetProperty("mixer").GetString()} {layer.GetProperty("feed_forward").GetString()}"));
    }

    [Fact]
    public void The_command_line_takes_the_place_of_the_files_limits()
    {
        JsonElement Best(params string[] arguments) => CliRun.Good(["search", _tables, "--json", .. arguments]).Json().GetProperty("solutions")[0];
        Assert.Equal(0, Best("--target", "memory<=100%").GetProperty("score").GetDouble());
        Assert.Equal(0.004, Best("--target", "kv<=80%", "--pin", "2").GetProperty("score").GetDouble());
        Assert.Equal(0.03, Best("--target", "attention-layers<=2", "--exclude", "ffn:ffn512").GetProperty("score").GetDouble());
        Assert.Equal(0.062, Best("--target", "attention-layers<=2").GetProperty("score").GetDouble());
        Assert.Equal(0.004, Best("--target", "count(attention:kv2)>=1").GetProperty("score").GetDouble());
        Assert.Equal(0, Best("--target", "latency<=1s", "--loadable", "vllm").GetProperty("score").GetDouble());
    }

    [Fact]
    public void A_sweep_leaves_its_curve_as_numbers_picture_and_page()
    {
        string output = Path.Combine(_folder, "out");
        CliRun.Good("search", _tables, "--target", "parameters<=100%", "--sweep", "memory=100%..80%/5", "--solutions", "2", "--differ", "30%", "--out", output);
        string[] rows = File.ReadAllText(Path.Combine(output, "sweep.csv")).TrimEnd('\n').Split('\n');
        Assert.Equal(6, rows.Length);
        Assert.StartsWith("memory<=95%,0.95,chat,8,optimal,0.", rows[2], StringComparison.Ordinal);
        var picture = XDocument.Load(Path.Combine(output, "sweep.svg"));
        Assert.Equal("http://www.w3.org/2000/svg", picture.Root!.Name.NamespaceName);
        Assert.NotEmpty(picture.Descendants(picture.Root.Name.Namespace + "circle"));
        string page = File.ReadAllText(Path.Combine(output, "report.html"));
        foreach (string part in (string[])["Search report", "Limits and certificate", "Sweep", "Chosen blocks", "solution 2"])
        {
            Assert.Contains(part, page, StringComparison.Ordinal);
        }

        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "search.json")));
        Assert.Equal(5, document.RootElement.GetProperty("sweep").GetArrayLength());
        Assert.Equal(2, document.RootElement.GetProperty("solutions").GetArrayLength());
    }

    [Fact]
    public void What_cannot_be_met_and_what_is_wrong_ends_with_a_sentence_and_code_2()
    {
        CliRun.Refused(
            ["search", _tables, "--target", "throughput>=9x", "--target", "memory<=95%"], "No selection meets run time", "Each of these could be met while the others stay: throughput>=");
        CliRun.Refused(["search", _tables, "--target", "speed>=9x"], "--target speed>=9x: expected memory, kv, parameters, ttft,");
        CliRun.Refused(["search", _tables, "--pin", "attention:kv3"], "attention:kv3: no variant is called so; there are the attentions kv8, kv2, none");
        CliRun.Refused(["search", _tables, "--batch", "8,16"], "--batch 16: the tables hold no times of this batch");
        CliRun.Refused(["search", _tables, "--sweep", "memory=1"], "--sweep memory=1: expected QUANTITY=FROM..TO/COUNT");
        CliRun.Refused(["search", Path.Combine(_folder, "missing.json")], "missing.json: there is no such file");
        File.WriteAllText(_tables, File.ReadAllText(_tables).Replace("\"margin\": 0", "\"margin\": 0, \"marge\": 1", StringComparison.Ordinal));
        CliRun.Refused(["search", _tables], "tables.json: marge is unknown");
    }

    [Fact(Skip = "CBC is not installed (Debian: coinor-libcbc3)", SkipUnless = nameof(HasCbc))]
    public void Cbc_finds_the_same_and_prints_nothing_of_its_own()
    {
        var run = CliRun.Good("search", _tables, "--solver", "cbc", "--json");
        Assert.Equal(0.031, run.Json().GetProperty("solutions")[0].GetProperty("score").GetDouble(), 1e-12);
        Assert.Equal("cbc", run.Json().GetProperty("solver").GetString());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
