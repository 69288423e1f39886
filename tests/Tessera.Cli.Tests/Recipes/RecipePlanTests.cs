using Tessera.Cli.Recipes;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests.Recipes;

public sealed class RecipePlanTests : IDisposable
{
    private const string Story = """
        name: story
        variables: {seed: 1, shape: shapes/config.json}
        stages:
          - name: fresh
            run: init
            arguments: ${shape}
            options: {seed: "${seed}"}
          - name: base
            run: train
            arguments: ${stages.fresh}
            options: {tasks: all, steps: 10, threads: 2, checkpoint-every: 5}
          - name: other
            run: init
            arguments: ${shape}
          - name: child
            run: compress
            arguments: ${stages.base}
            options: {target: [decode>=1.5x, memory<=50%], tasks: all, threads: 2}
          - name: scores
            run: eval
            arguments: ["${stages.base}", "${stages.child}/child"]
            options: {thinking: both}
        report:
          table:
            - {label: A, stage: scores, mode: on, model: child}

        """;

    private static readonly string[] Stages = ["fresh", "base", "other", "child", "scores"];
    private readonly RecipeFolder _folder = new();

    public RecipePlanTests() => _folder.Write("shapes/config.json", "{}");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_command_line_has_values_folders_and_paths_in_place()
    {
        var plan = _folder.Plan(Story);
        string[] fresh = plan.Stages[0].CommandLine, child = plan.Stages[3].CommandLine;

        Assert.Equal(
            ["init", _folder.At("shapes/config.json"), "--seed=1", "--out=" + plan.FolderOf(plan.Stages[0])], fresh);
        Assert.Equal(
            [
                "compress", plan.FolderOf(plan.Stages[1]), "--target=decode>=1.5x", "--target=memory<=50%", "--tasks=all", "--threads=2",
                "--out=" + plan.FolderOf(plan.Stages[3]),
            ],
            child);
        Assert.Equal($"base-{RecipeFolder.Hash(plan, "base")[..12]}", plan.Stages[1].FolderName);
        Assert.Equal(plan.FolderOf(plan.Stages[3]) + "/child", plan.Stages[4].CommandLine[2]);
        Assert.False(Directory.Exists(_folder.Output));
    }

    // What is changed, and the stages whose folders change with it: everything behind it that uses it, and nothing else.
    [Theory]
    [InlineData("seed: 1,", "seed: 2,", "fresh,base,child,scores")]
    [InlineData("steps: 10", "steps: 11", "base,child,scores")]
    [InlineData("tasks: all, steps", "tasks: add, steps", "base,child,scores")]
    [InlineData("thinking: both", "thinking: on", "scores")]
    [InlineData("[decode>=1.5x, memory<=50%]", "[memory<=50%, decode>=1.5x]", "child,scores")]
    [InlineData("[decode>=1.5x, memory<=50%]", "decode>=1.5x", "child,scores")]
    [InlineData("/child\"", "\"", "scores")]
    [InlineData("[\"${stages.base}\", \"${stages.child}/child\"]", "[\"${stages.child}/child\", \"${stages.base}\"]", "scores")]
    [InlineData("tasks: all, threads: 2}", "tasks: all, threads: 1}", "child,scores")]
    [InlineData("steps: 10, threads: 2", "steps: 10, threads: 1", "")]
    [InlineData("checkpoint-every: 5", "checkpoint-every: 7, validate-every: 3, json: true", "")]
    [InlineData("tasks: all, steps: 10", "steps: 10, tasks: \"all\"", "")]
    [InlineData("label: A", "label: B", "")]
    [InlineData("name: story\n", "# A comment\nname: tale\n", "")]
    [InlineData("{thinking: both}", "# below\n      thinking: \"both\" # said again", "")]
    public void A_stage_moves_when_what_decides_it_changes(string from, string to, string moved)
    {
        Assert.Contains(from, Story);
        var before = _folder.Plan(Story);
        string text = Story.Replace(from, to, StringComparison.Ordinal);
        var after = _folder.Plan(to.Contains("thinking: on", StringComparison.Ordinal) || to == "\"" ? WithoutTable(text) : text);

        Assert.Equal(moved, string.Join(',', Stages.Where(stage => RecipeFolder.Hash(before, stage) != RecipeFolder.Hash(after, stage))));
    }

    [Fact]
    public void Contents_of_inputs_decide_and_their_place_does_not()
    {
        var before = _folder.Plan(Story);
        _folder.Write("elsewhere/other.json", "{}");
        var moved = _folder.Plan(Story, $"shape={_folder.At("elsewhere/other.json")}");
        _folder.Write("shapes/config.json", "{ }");
        var changed = _folder.Plan(Story);

        Assert.All(Stages, stage => Assert.Equal(RecipeFolder.Hash(before, stage), RecipeFolder.Hash(moved, stage)));
        Assert.All(Stages, stage => Assert.NotEqual(RecipeFolder.Hash(before, stage), RecipeFolder.Hash(changed, stage)));
        Assert.Matches("^[0-9a-f]{64}$", changed.Stages[0].Identity.Inputs["argument"]);
    }

    [Fact]
    public void Words_that_happen_to_name_a_file_stay_words()
    {
        string before = Directory.GetCurrentDirectory();
        try
        {
            Directory.SetCurrentDirectory(_folder.Root);
            string hash = RecipeFolder.Hash(_folder.Plan(Story), "base");
            _folder.Write("all", "a file called all");
            _folder.Write("10", "a file called 10");

            Assert.Equal(hash, RecipeFolder.Hash(_folder.Plan(Story), "base"));
            Assert.Contains("--tasks=all", _folder.Plan(Story).Stages[1].CommandLine);
        }
        finally
        {
            Directory.SetCurrentDirectory(before);
        }
    }

    [Fact]
    public void Paths_are_sought_here_then_beside_the_recipe_then_in_the_repository()
    {
        const string one = "name: a\nstages: [{name: fresh, run: init, arguments: recipes/bundled/config.json}]";
        Assert.EndsWith("recipes/bundled/config.json", _folder.Plan(one).Stages[0].CommandLine[1]);
        string beside = _folder.Write("recipes/bundled/config.json", "{}");
        Assert.Equal(beside, _folder.Plan(one).Stages[0].CommandLine[1]);
        string before = Directory.GetCurrentDirectory();
        try
        {
            _folder.Write("here/recipes/bundled/config.json", "{}");
            Directory.SetCurrentDirectory(_folder.At("here"));
            Assert.Equal("recipes/bundled/config.json", _folder.Plan(one).Stages[0].CommandLine[1]);
        }
        finally
        {
            Directory.SetCurrentDirectory(before);
        }
    }

    [Fact]
    public void Settings_of_the_command_line_replace_variables_and_options()
    {
        var before = _folder.Plan(Story);
        var after = _folder.Plan(Story, "seed=5", "base.steps=99", "base.lr=0.002", "child.target=memory<=40%");

        Assert.Contains("--seed=5", after.Stages[0].CommandLine);
        Assert.Contains("--steps=99", after.Stages[1].CommandLine);
        Assert.Contains("--lr=0.002", after.Stages[1].CommandLine);
        Assert.Equal(["--target=memory<=40%"], after.Stages[3].CommandLine.Where(word => word.StartsWith("--target", StringComparison.Ordinal)));
        Assert.Equal(
            RecipeFolder.Hash(_folder.Plan(Story.Replace("seed: 1,", "seed: 5,")), "fresh"), RecipeFolder.Hash(after, "fresh"));
        Assert.Equal(RecipeFolder.Hash(before, "other"), RecipeFolder.Hash(after, "other"));
    }

    [Theory]
    [InlineData("sed=1", "no variable 'sed'")]
    [InlineData("bse.steps=1", "no stage 'bse'")]
    [InlineData("base.stpes=1", "no option 'stpes'")]
    [InlineData("base.steps=many", "--steps")]
    [InlineData("base.out=x", "--out")]
    [InlineData("seed", "name=value")]
    [InlineData("seed=", "1 to 4096")]
    [InlineData("=1", "name=value")]
    [InlineData("shape=nowhere.json", "'nowhere.json'")]
    public void Settings_that_fit_nothing_are_refused(string setting, string part) =>
        Assert.Contains(part, _folder.Refusal(Story, setting));

    [Fact]
    public void A_setting_given_twice_is_refused() => Assert.Contains("twice", _folder.Refusal(Story, "seed=1", "seed=2"));

    [Theory]
    [InlineData("mode: on, model: child", "mode: plain, model: child", "thinking 'both'")]
    [InlineData("mode: on, model: child", "mode: on", "give 'model'")]
    [InlineData("mode: on, model: child", "mode: on, model: parent", "model 'parent'")]
    [InlineData("stage: scores, mode: on", "stage: base, mode: on", "runs train")]
    public void Rows_that_no_stage_measures_are_refused_before_anything_runs(string from, string to, string part) =>
        Assert.Contains(part, _folder.Refusal(Story.Replace(from, to, StringComparison.Ordinal)));

    [Fact]
    public void Recipes_of_the_repository_are_acceptable()
    {
        string[] files = Directory.GetFiles(Path.Combine(SharedData.RepositoryRoot, "recipes"), "*.yaml");
        Assert.NotEmpty(files);
        var verbs = Cli.Root();
        foreach (string file in files)
        {
            var recipe = RecipeReader.Read(file);
            string? missing = recipe.Stages.Select(stage => stage.Verb.Text).FirstOrDefault(verb => verbs.Subcommands.All(command => command.Name != verb));
            Assert.SkipWhen(missing is not null, $"{Path.GetFileName(file)} uses the verb {missing}, which is not there yet");
            Assert.Equal(recipe.Stages.Count, RecipePlan.Make(recipe, _folder.Output, verbs).Stages.Count);
        }
    }

    private static string WithoutTable(string text) => text[..text.IndexOf("report:", StringComparison.Ordinal)];
}
