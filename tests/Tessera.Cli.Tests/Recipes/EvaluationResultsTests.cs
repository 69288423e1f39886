using System.Text.Json.Nodes;
using System.Xml.Linq;
using Tessera.Cli.Recipes;

namespace Tessera.Cli.Tests.Recipes;

public sealed class EvaluationResultsTests : IDisposable
{
    private const string Story = """
        name: story
        description: A story.
        stages:
          - {name: first, run: eval, arguments: parent, options: {thinking: plain}}
          - {name: second, run: eval, arguments: [parent, child], options: {thinking: both}}
        report:
          table:
            - {label: Child, stage: second, mode: "off", model: child}
            - {label: Parent, stage: first, mode: plain}
            - {label: Child, stage: second, mode: "on", model: child}

        """;

    private readonly RecipeFolder _folder = new();

    public EvaluationResultsTests()
    {
        _folder.Write("parent/config.json", "{}");
        _folder.Write("child/config.json", "{ }");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_come_in_the_order_of_the_recipe_with_the_numbers_of_their_mode()
    {
        var plan = _folder.Plan(Story);
        Write(plan, 0, Result("3,4", [Mode("parent", "Plain", 0.5)]));
        Write(plan, 1, Result(
            "3,4", [Mode("parent", "On", 0.1), Mode("parent", "Off", 0.2), Mode("child", "On", 0.75), Mode("child", "Off", 0.25)]));
        var results = EvaluationResults.Read(plan);

        Assert.Equal([0.25, 0.5, 0.75], results.Rows.Select(row => row.Accuracy.Value));
        Assert.Equal(["off", "plain", "on"], results.Rows.Select(row => row.Mode));
        Assert.Equal([(0.7, 0.8)], results.Rows.Skip(2).Select(row => (Math.Round(row.Accuracy.Low, 9), Math.Round(row.Accuracy.High, 9))));
        Assert.Equal("3,4", results.HardLevels);
        Assert.Equal(31.5, results.Rows[0].Tokens);
        Assert.Equal(2, results.Differences.Count);
    }

    // 30 problems of level 3 with mean 0.5 and error 0.09, 10 of level 4 with 0.1 and 0.1; level 1 is not hard:
    // (15 + 1) / 40 = 0.4, error = sqrt(2.7² + 1²) / 40 = 0.0719809, times 1.959964 = 0.1410800.
    [Fact]
    public void The_hard_levels_are_weighted_by_their_problems()
    {
        var plan = _folder.Plan(Story);
        Write(plan, 0, Result("3,4", [Mode("parent", "Plain", 0.5)]));
        Write(plan, 1, Result("5", [Mode("child", "On", 0.5), Mode("child", "Off", 0.5)]));
        var results = EvaluationResults.Read(plan);

        var hard = results.Rows[1].Hard!.Value;
        Assert.Equal(0.4, hard.Value, 9);
        Assert.Equal(0.4 - 0.1410800, hard.Low, 6);
        Assert.Equal(0.4 + 0.1410800, hard.High, 6);
        Assert.Null(results.Rows[0].Hard);
        Assert.Equal("hard", results.HardLevels);
    }

    // 30 of 30 problems of level 3 solved, which leaves it without a standard error, as eval writes it.
    [Fact]
    public void A_hard_level_of_which_every_problem_was_solved_is_read_like_any_other()
    {
        var plan = _folder.Plan(Story);
        JsonObject perfect = Mode("parent", "Plain", 1), mixed = Mode("child", "On", 0.5);
        foreach (var mode in (JsonObject[])[perfect, mixed])
        {
            mode["by_level"]!["level 3"] = new JsonObject { ["value"] = 1, ["standard_error"] = null, ["low"] = 0.886, ["high"] = 1, ["count"] = 30 };
        }

        Write(plan, 0, Result("3", [perfect]));
        Write(plan, 1, Result("3,4", [mixed, Mode("child", "Off", 0.5)]));
        var results = EvaluationResults.Read(plan);

        // All agree: Wilson's lower end of 30 out of 30 is 30 / (30 + 1.959964²) = 0.886487. With level 4: (30 + 1) / 40, error 10 · 0.1 / 40.
        var alone = results.Rows.Single(row => row.Model == "parent").Hard!.Value;
        Assert.Equal((1, 0.886487, 1), (alone.Value, Math.Round(alone.Low, 6), Math.Round(alone.High, 6)));
        var both = results.Rows.Single(row => row.Mode == "on").Hard!.Value;
        Assert.Equal(0.775, both.Value, 9);
        Assert.Equal(0.775 - (1.959964 * 0.025), both.Low, 6);
    }

    [Theory]
    [InlineData("{", "not the result")]
    [InlineData("[]", "not the result")]
    [InlineData("{}", "not the result")]
    [InlineData("""{"protocol": {}, "modes": [{"mode": "plain"}]}""", "not the result")]
    [InlineData("""{"protocol": {}, "modes": []}""", "0 results of the model in mode plain")]
    [InlineData(null, "not the result")]
    public void Results_that_are_missing_or_malformed_are_named(string? text, string part)
    {
        var plan = _folder.Plan(Story);
        if (text is not null)
        {
            _folder.Write($"out/{plan.Stages[0].FolderName}/result.json", text);
        }

        string message = Assert.Throws<InvalidDataException>(() => EvaluationResults.Read(plan)).Message;
        Assert.StartsWith(Path.Combine(plan.FolderOf(plan.Stages[0]), "result.json"), message);
        Assert.Contains(part, message);
    }

    [Fact]
    public void The_report_shows_the_rows_the_bars_and_the_differences()
    {
        var plan = _folder.Plan(Story);
        var outcomes = new RecipeRunner(plan, _ => 0).Run();
        Write(plan, 0, Result("3,4", [Mode("parent", "Plain", 0.5)]));
        Write(plan, 1, Result("3,4", [Mode("child", "On", 0.75), Mode("child", "Off", 0.25)]));
        string path = new RecipeReport(plan, outcomes, EvaluationResults.Read(plan)).Save();
        var page = XDocument.Parse(File.ReadAllText(path)).Root!;
        string[] cells = [.. page.Descendants("td").Select(cell => cell.Value)];

        Assert.Equal("story", page.Descendants("h1").Single().Value);
        Assert.Equal(["Child", "off", "40", "25.0%", "20.0%..30.0%", "40.0%", "25.9%..54.1%", "99.5%", "98.7%", "31.5"], cells[..10]);
        Assert.Contains("+12.5", cells);
        Assert.Contains("+10.0 to +15.0", cells);
        Assert.Equal("Accuracy", page.Descendants("svg").Single().Element("title")!.Value);
    }

    private void Write(RecipePlan plan, int stage, JsonObject result) =>
        _folder.Write($"out/{plan.Stages[stage].FolderName}/result.json", result.ToJsonString());

    private static JsonObject Result(string hard, JsonObject[] modes) => new()
    {
        ["protocol"] = new JsonObject { ["hard-levels"] = hard },
        ["modes"] = new JsonArray([.. modes]),
        ["differences"] = new JsonArray(new JsonObject
        {
            ["left"] = "child on",
            ["right"] = "child off",
            ["levels"] = "all",
            ["difference"] = Estimate(0.125, 0.025, 40),
        }),
    };

    private static JsonObject Mode(string model, string mode, double average) => new()
    {
        ["model"] = model,
        ["mode"] = mode,
        ["problems"] = 40,
        ["average"] = Estimate(average, 0.05, 40),
        ["obeyed"] = new JsonObject { ["value"] = 0.995, ["standard_error"] = null, ["low"] = 0.987, ["high"] = 0.999, ["count"] = 40 },
        ["mean_tokens"] = 31.5,
        ["by_level"] = new JsonObject
        {
            ["add 3"] = Estimate(0.9, 0.01, 5),
            ["level 1"] = Estimate(0.9, 0.01, 500),
            ["level 3"] = Estimate(0.5, 0.09, 30, 0.09),
            ["level 4"] = Estimate(0.1, 0.1, 10, 0.1),
        },
    };

    private static JsonObject Estimate(double value, double half, int count, double? error = null) => new()
    {
        ["value"] = value,
        ["standard_error"] = error ?? half / 1.96,
        ["low"] = value - half,
        ["high"] = value + half,
        ["count"] = count,
    };
}
