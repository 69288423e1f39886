using System.Text.Json;
using Tessera.Cli.Recipes;
using Tessera.Runs;

namespace Tessera.Cli.Tests.Recipes;

/// <summary>Recipes run by the real verbs on a model of a few thousand parameters.</summary>
public sealed class RecipeRunTests(TinyModel model) : IDisposable
{
    private readonly RecipeFolder _folder = new();

    private string Story => $$"""
        name: tiny
        variables: {steps: 20}
        stages:
          - name: copy
            run: export
            arguments: {{model.Plain}}
          - name: base
            run: train
            arguments: ${stages.copy}
            options: {tasks: add, steps: "${steps}", batch-tokens: 128, max-length: 96, warmup: 2, validation-tokens: 128, checkpoint-every: 2, threads: 1}
          - name: small
            run: export
            arguments: ${stages.base}
            options: {dtype: bf16}
        report:
          title: <Tiny>
          curves: base

        """;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_recipe_runs_once_and_is_then_found_complete()
    {
        _folder.Write("recipe.yaml", Story);
        string[] arguments = ["run", _folder.File, "--out", _folder.Output];
        var first = CliRun.Good(arguments);
        var before = Directory.GetFiles(_folder.Output, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetDirectoryName(file) != _folder.Output).ToDictionary(file => file, File.GetLastWriteTimeUtc);
        var second = CliRun.Good([.. arguments, "--json"]).Json();

        Assert.Equal($"report: {_folder.At("out/report.html")}\n", first.Output);
        Assert.Equal(3, first.Error.Split('\n').Count(line => line.Contains(": complete after ", StringComparison.Ordinal)));
        Assert.All(before, pair => Assert.Equal(pair.Value, File.GetLastWriteTimeUtc(pair.Key)));
        Assert.True(second.GetProperty("complete").GetBoolean());
        foreach (var stage in second.GetProperty("stages").EnumerateObject())
        {
            Assert.True(stage.Value.GetProperty("skipped").GetBoolean());
            Assert.True(File.Exists(Path.Combine(_folder.Output, stage.Value.GetProperty("folder").GetString()!, "model.safetensors")));
        }

        Assert.Equal("20", second.GetProperty("variables").GetProperty("steps").GetString());
        Assert.Equal(second.ToString(), JsonDocument.Parse(File.ReadAllText(_folder.At("out/summary.json"))).RootElement.ToString());
    }

    [Fact]
    public void The_report_has_curves_stages_links_and_provenance()
    {
        _folder.Write("recipe.yaml", Story);
        CliRun.Good("run", _folder.File, "--out", _folder.Output);
        string html = File.ReadAllText(_folder.At("out/report.html"));
        var page = System.Xml.Linq.XDocument.Parse(html).Root!;

        Assert.Equal("<Tiny>", page.Descendants("h1").Single().Value);
        Assert.Equal(["base: cross entropy", "base: gradient norm"], page.Descendants("svg").Select(svg => svg.Element("title")!.Value));
        string[] links = [.. page.Descendants("a").Select(link => link.Attribute("href")!.Value).Where(href => !href.StartsWith('#'))];
        Assert.Equal(4, links.Length);
        Assert.All(links, link => Assert.True(File.Exists(Path.Combine(_folder.Output, link)), link));
        Assert.Contains(page.Descendants("td"), cell => cell.Value == "option steps");
        Assert.Contains("tessera train", html);
    }

    [Fact]
    public void A_changed_setting_repeats_only_what_it_decides()
    {
        _folder.Write("recipe.yaml", Story);
        CliRun.Good("run", _folder.File, "--out", _folder.Output);
        var stages = CliRun.Good("run", _folder.File, "--out", _folder.Output, "--set", "small.dtype=f32", "--json").Json().GetProperty("stages");

        Assert.Equal(
            [true, true, false], stages.EnumerateObject().Select(stage => stage.Value.GetProperty("skipped").GetBoolean()));
        Assert.Equal(4, Directory.GetDirectories(_folder.Output).Length);
    }

    [Fact]
    public void A_dry_run_shows_what_is_there_and_writes_nothing()
    {
        _folder.Write("recipe.yaml", Story);
        string[] arguments = ["run", _folder.File, "--out", _folder.Output, "--dry-run", "--json"];
        string[] States() => [.. CliRun.Good(arguments).Json().EnumerateArray().Select(stage => stage.GetProperty("state").GetString()!)];

        Assert.Equal(["to do", "to do", "to do"], States());
        Assert.False(Directory.Exists(_folder.Output));
        var plan = _folder.Plan(Story);
        RunFolder.Open(_folder.Output, plan.Stages[1].Identity);
        RunFolder.Open(_folder.Output, plan.Stages[0].Identity).MarkComplete();
        Assert.Equal(["complete", "started", "to do"], States());
        Assert.Contains("started", CliRun.Good(arguments[..^1]).Output);
    }

    // Export refuses a folder with a model in it, so what a killed one left must be out of its way.
    [Fact]
    public void A_stage_that_was_interrupted_is_run_again_and_ends_with_the_same_bits()
    {
        var plan = _folder.Plan(Story);
        int calls = 0;
        int Interrupted(string[] arguments)
        {
            if (arguments[0] == "export" || calls++ > 0)
            {
                CliRun.Good(arguments);
                return calls switch
                {
                    0 when !File.Exists(_folder.At("once")) => throw new InvalidOperationException(_folder.Write("once", "")),
                    _ => 0,
                };
            }

            // A training of the same identity that ends early: what a kill between two checkpoints leaves.
            CliRun.Of([.. arguments, "--no-such-option"]);
            throw new InvalidOperationException("killed");
        }

        Assert.Throws<InvalidOperationException>(() => new RecipeRunner(plan, Interrupted).Run());
        Assert.True(File.Exists(Path.Combine(plan.FolderOf(plan.Stages[0]), "config.json")));
        Assert.False(_folder.Find(plan, "copy")!.IsComplete);
        Assert.Throws<InvalidOperationException>(() => new RecipeRunner(plan, Interrupted).Run());
        Assert.True(_folder.Find(plan, "copy")!.IsComplete);
        Assert.False(_folder.Find(plan, "base")!.IsComplete);
        var outcomes = new RecipeRunner(plan, Interrupted).Run();

        Assert.Equal([true, false, false], outcomes.Select(outcome => outcome.Skipped));
        string alone = _folder.At("alone");
        CliRun.Good("run", _folder.File, "--out", alone);
        foreach (var stage in plan.Stages)
        {
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(alone, stage.FolderName, "model.safetensors")),
                File.ReadAllBytes(Path.Combine(plan.FolderOf(stage), "model.safetensors")));
        }
    }

    [Fact]
    public void A_stage_that_fails_ends_the_recipe_with_its_code_and_goes_on_later()
    {
        var plan = _folder.Plan(Story);
        var seen = new List<string>();
        int code = 3;
        int Verb(string[] arguments)
        {
            seen.Add(arguments[0]);
            return arguments[0] == "train" ? code : 0;
        }

        var failed = new RecipeRunner(plan, Verb).Run();
        Assert.Equal([0, 3], failed.Select(outcome => outcome.Code));
        var summary = JsonDocument.Parse(File.ReadAllText(_folder.At("out/summary.json"))).RootElement;
        Assert.False(summary.GetProperty("complete").GetBoolean());
        Assert.Equal("failed", summary.GetProperty("stages").GetProperty("base").GetProperty("status").GetString());
        code = 0;
        Assert.Equal([true, false, false], new RecipeRunner(plan, Verb).Run().Select(outcome => outcome.Skipped));
        Assert.Equal(["export", "train", "train", "export"], seen);
    }

    [Fact]
    public void The_code_of_a_failing_verb_is_that_of_the_recipe()
    {
        _folder.Write("recipe.yaml", Story);
        var run = CliRun.Of("run", _folder.File, "--out", _folder.Output, "--set", "base.batch-tokens=32");

        Assert.Equal(2, run.Code);
        Assert.Contains("--batch-tokens 32", run.Error);
        Assert.Contains("stage 'base' ended with code 2", run.Error.TrimEnd('\n').Split('\n')[^1]);
        Assert.Empty(run.Output);
        Assert.False(File.Exists(_folder.At("out/report.html")));
    }

    [Fact]
    public void Two_processes_do_not_run_the_same_stage()
    {
        var plan = _folder.Plan(Story);
        int inner = 0;
        int Verb(string[] arguments)
        {
            if (arguments[0] == "train")
            {
                var error = Assert.Throws<IOException>(() => new RecipeRunner(plan, _ => inner++).Run());
                Assert.Contains("another process", error.Message);
            }

            return 0;
        }

        Assert.Equal(3, new RecipeRunner(plan, Verb).Run().Count);
        Assert.Equal(0, inner);
    }

    [Fact]
    public void Bad_recipes_end_with_one_sentence_and_code_2()
    {
        CliRun.Refused(["run", _folder.At("none.yaml")], "none.yaml", "no such file");
        _folder.Write("recipe.yaml", Story.Replace("run: train", "run: tarin", StringComparison.Ordinal));
        CliRun.Refused(["run", _folder.File, "--out", _folder.Output], "recipe.yaml, line 8", "tarin");
        Assert.False(Directory.Exists(_folder.Output));
    }
}
