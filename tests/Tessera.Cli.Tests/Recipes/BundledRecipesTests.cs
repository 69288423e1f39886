using Tessera.TestSupport;

namespace Tessera.Cli.Tests.Recipes;

/// <summary>Every recipe that comes along is read, settled and planned as it stands.</summary>
public sealed class BundledRecipesTests
{
    public static TheoryData<string> Names => [.. Directory.GetFiles(Path.Combine(SharedData.RepositoryRoot, "recipes"), "*.yaml").Select(path => Path.GetFileName(path)!).Order()];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recipe_shows_its_stages_and_what_they_take_without_starting(string name)
    {
        string path = Path.Combine(SharedData.RepositoryRoot, "recipes", name), output = Path.Combine("runs", Path.GetFileNameWithoutExtension(name) + "-never");
        var stages = CliRun.Good("run", path, "--dry-run", "--json", "--out", output).Json().EnumerateArray().ToList();
        Assert.All(stages, stage => Assert.Equal("to do", stage.GetProperty("state").GetString()));
        var plan = CliRun.Good("plan", path, "--on", "h200", "--json").Json();
        var planned = plan.GetProperty("stages").EnumerateArray().ToList();
        Assert.Equal(stages.Select(stage => stage.GetProperty("stage").GetString()), planned.Select(stage => stage.GetProperty("stage").GetString()));
        Assert.All(planned.Where(stage => stage.GetProperty("verb").GetString() != "export"), stage =>
        {
            Assert.NotEmpty(stage.GetProperty("parts").EnumerateArray());
            Assert.All(stage.GetProperty("parts").EnumerateArray(), part => Assert.True(part.GetProperty("seconds").GetDouble() > 0));
        });
        Assert.False(Directory.Exists(output));
    }

    [Theory]
    [InlineData("super-49b.yaml", "kd", 40e9)]
    [InlineData("ultra-253b.yaml", "kd", 64.8e9)]
    [InlineData("ultra-253b.yaml", "cpt", 88e9)]
    public void Published_amounts_of_tokens_are_those_of_the_stages(string name, string stages, double published)
    {
        string path = Path.Combine(SharedData.RepositoryRoot, "recipes", name);
        double tokens = CliRun.Good("run", path, "--dry-run", "--json").Json().EnumerateArray()
            .Where(stage => stage.GetProperty("stage").GetString()!.StartsWith(stages + "-", StringComparison.Ordinal))
            .Select(stage => stage.GetProperty("command").GetString()!)
            .Sum(command => Option(command, "steps") * Option(command, "batch-tokens") * Option(command, "accumulate"));
        Assert.Equal(1, tokens / published, 0.002);
    }

    private static double Option(string command, string name) => double.Parse(
        command.Split(' ').Single(word => word.StartsWith($"--{name}=", StringComparison.Ordinal)).Split('=')[1], System.Globalization.CultureInfo.InvariantCulture);
}
