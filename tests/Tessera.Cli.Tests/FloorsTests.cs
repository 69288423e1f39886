using System.Text.RegularExpressions;
using System.Xml.Linq;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>The rules about projects, files and folders that the design states and no compiler checks.</summary>
public sealed partial class FloorsTests
{
    private const int MostLines = 400;

    /// <summary>The design's table: what a project's row names. What those use may be used too.</summary>
    private static readonly Dictionary<string, string[]> Floors = new()
    {
        ["Interop"] = [],
        ["Devices"] = ["Interop"],
        ["Kernels"] = ["Devices"],
        ["Tensors"] = ["Kernels"],
        ["Models"] = ["Tensors"],
        ["Tasks"] = [],
        ["Runs"] = [],
        ["Endpoints"] = ["Runs"],
        ["Training"] = ["Models", "Runs"],
        ["Inference"] = ["Models"],
        ["Evaluation"] = ["Inference", "Tasks", "Endpoints", "Runs"],
        ["Puzzle"] = ["Training", "Evaluation"],
        ["Alignment"] = ["Training", "Evaluation"],
        ["Curation"] = ["Training", "Evaluation"],
        ["Serving"] = ["Inference"],
        ["Cli"] = ["Puzzle", "Alignment", "Curation", "Serving"],
    };

    /// <summary>Source files that may be longer, each with its reason.</summary>
    private static readonly Dictionary<string, string> LongFiles = [];

    private static string Source => Path.Combine(SharedData.RepositoryRoot, "src");

    [Fact]
    public void No_project_refers_to_one_that_its_floor_does_not_allow()
    {
        string[] projects = Directory.GetFiles(Source, "*.csproj", SearchOption.AllDirectories);
        Assert.NotEmpty(projects);
        foreach (string project in projects)
        {
            string name = ShortName(project);
            Assert.True(Floors.ContainsKey(name), $"{name} is not in the design's table of projects");
            var allowed = Reachable(name);
            foreach (string reference in XDocument.Load(project).Descendants("ProjectReference")
                         .Select(element => ShortName(element.Attribute("Include")!.Value)))
            {
                Assert.True(allowed.Contains(reference), $"{name} refers to {reference}; allowed: {string.Join(", ", allowed)}");
            }
        }
    }

    [Fact]
    public void No_project_is_called_common_utils_helpers_or_core()
    {
        foreach (string folder in (string[])["src", "tests", "benchmarks"])
        {
            string path = Path.Combine(SharedData.RepositoryRoot, folder);
            foreach (string project in Directory.Exists(path) ? Directory.GetFiles(path, "*.csproj", SearchOption.AllDirectories) : [])
            {
                Assert.DoesNotMatch(VagueName(), Path.GetFileNameWithoutExtension(project));
            }
        }
    }

    [Fact]
    public void Source_files_are_at_most_400_lines_long()
    {
        string[] tooLong =
        [
            .. Directory.GetFiles(Source, "*.cs", SearchOption.AllDirectories)
                .Select(path => (Name: Path.GetRelativePath(Source, path).Replace('\\', '/'), Lines: File.ReadLines(path).Count()))
                .Where(file => file.Lines > MostLines && !LongFiles.ContainsKey(file.Name))
                .Select(file => $"{file.Name}: {file.Lines} lines"),
        ];
        Assert.True(tooLong.Length == 0, string.Join('\n', tooLong));
    }

    [Fact]
    public void Exceptions_from_the_length_are_still_needed() => Assert.All(
        LongFiles.Keys, name => Assert.True(File.ReadLines(Path.Combine(Source, name)).Count() > MostLines, name));

    [Fact]
    public void Every_operation_has_a_reference_a_bench_and_a_test_class_that_calls_it()
    {
        string kernels = Path.Combine(Source, "Tessera.Kernels");
        string[] tests =
        [
            .. Directory.GetFiles(Path.Combine(SharedData.RepositoryRoot, "tests", "Tessera.Kernels.Tests"), "*Tests.cs", SearchOption.AllDirectories)
                .Select(File.ReadAllText),
        ];
        string[] operations =
        [
            .. Directory.GetDirectories(kernels).Select(folder => Path.GetFileName(folder)!)
                .Where(name => File.Exists(Path.Combine(kernels, name, name + ".cs"))),
        ];
        Assert.NotEmpty(operations);
        foreach (string operation in operations)
        {
            foreach (string part in (string[])["Reference", "Bench"])
            {
                Assert.True(
                    File.Exists(Path.Combine(kernels, operation, $"{operation}.{part}.cs")), $"{operation} has no {operation}.{part}.cs");
            }

            var use = new Regex($@"\b{operation}\.[A-Z]");
            Assert.True(
                tests.Any(text => use.IsMatch(text) && text.Contains("class ", StringComparison.Ordinal)),
                $"no test class of Tessera.Kernels.Tests calls {operation}");
        }
    }

    private static HashSet<string> Reachable(string name)
    {
        var found = new HashSet<string>();
        var open = new Stack<string>(Floors[name]);
        while (open.TryPop(out string? next))
        {
            if (found.Add(next))
            {
                Array.ForEach(Floors[next], open.Push);
            }
        }

        return found;
    }

    private static string ShortName(string project) =>
        Path.GetFileNameWithoutExtension(project.Replace('\\', '/')).Replace("Tessera.", "", StringComparison.Ordinal);

    [GeneratedRegex(@"(^|\.)(Common|Utils|Helpers|Core)(\.|$)", RegexOptions.IgnoreCase)]
    private static partial Regex VagueName();
}
