using System.Text.Json;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

public sealed class EvalTests(TinyModel files)
{
    private static readonly string[] Small = ["--count", "6", "--max-new-tokens", "12", "--levels", "1,3"];

    [Fact]
    public void Every_sample_is_kept_and_the_result_counts_them()
    {
        string model = WithTemplate("eval-model");
        string output = files.At("eval");
        var json = CliRun.Good(["eval", model, .. Small, "--samples", "4", "--out", output, "--json"]).Json();

        var on = Mode(json, "On");
        Assert.Equal((6, 4), (on.GetProperty("problems").GetInt32(), on.GetProperty("samples").GetInt32()));
        Assert.Equal(["1", "2", "4"], on.GetProperty("pass").EnumerateObject().Select(entry => entry.Name));
        Assert.Equal(1, Mode(json, "Off").GetProperty("samples").GetInt32());
        var rows = Rows(output, "eval-model.on.jsonl");
        Assert.Equal(24, rows.Count);
        Assert.Equal(Enumerable.Range(0, 24).Select(i => (i / 4, i % 4)), rows.Select(row => (row.GetProperty("index").GetInt32(), row.GetProperty("sample").GetInt32())));
        double accuracy = rows.Count(row => row.GetProperty("is_correct").GetBoolean()) / 24.0;
        Assert.Equal(accuracy, on.GetProperty("average").GetProperty("value").GetDouble(), 1e-12);
        Assert.Equal(json.GetRawText(), JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "result.json"))).RootElement.GetRawText());
    }

    [Fact]
    public void A_killed_evaluation_goes_on_and_ends_with_the_same_bytes()
    {
        string model = WithTemplate("eval-resumed");
        string output = files.At("eval-resumed-out");
        string[] arguments = ["eval", model, .. Small, "--samples", "2", "--thinking", "on", "--out", output];
        CliRun.Good(arguments);
        string file = Path.Combine(output, "eval-resumed.on.jsonl");
        string whole = File.ReadAllText(file);

        // Five samples and a torn line: the third problem is half there.
        string[] lines = whole.Split('\n');
        File.WriteAllText(file, string.Join('\n', lines[..5]) + "\n" + lines[5][..20]);
        File.Delete(Path.Combine(output, "result.json"));
        CliRun.Good(arguments);

        Assert.Equal(whole, File.ReadAllText(file));
        CliRun.Refused([.. arguments, "--seed", "9"], "protocol.json", "seed");
    }

    [Fact]
    public void An_evaluation_killed_within_a_group_of_problems_ends_with_the_same_bytes()
    {
        string model = WithTemplate("eval-groups");
        string output = files.At("eval-groups-out");
        string[] arguments = ["eval", model, "--count", "300", "--max-new-tokens", "6", "--thinking", "on", "--out", output];
        CliRun.Good(arguments);
        string file = Path.Combine(output, "eval-groups.on.jsonl");
        string[] lines = File.ReadAllLines(file);
        Assert.Equal(300, lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("question").GetString()).Distinct().Count());
        foreach (int kept in (int[])[0, 70, 256, 280])
        {
            File.WriteAllLines(file, lines[..kept]);
            CliRun.Good(arguments);
            Assert.Equal(lines, File.ReadAllLines(file));
        }
    }

    [Fact]
    public void Another_template_is_another_evaluation()
    {
        string model = WithTemplate("eval-template");
        string[] arguments = ["eval", model, .. Small, "--thinking", "on", "--out", files.At("eval-template-out")];
        CliRun.Good(arguments);
        File.AppendAllText(Path.Combine(model, "chat_template.jinja"), "{# changed #}");
        CliRun.Refused(arguments, "protocol.json", "model eval-template");
    }

    [Fact]
    public void Two_models_are_compared_problem_by_problem()
    {
        string left = WithTemplate("left"), right = WithTemplate("right");
        var json = CliRun.Good(["eval", left, right, .. Small, "--thinking", "on", "--temperature", "0", "--json"]).Json();

        // The same weights: no difference in any problem, so the interval has no width.
        var pair = json.GetProperty("differences").EnumerateArray().First();
        Assert.Equal("right on", pair.GetProperty("left").GetString());
        var difference = pair.GetProperty("difference");
        Assert.Equal((0, 0, 0), (difference.GetProperty("value").GetDouble(), difference.GetProperty("low").GetDouble(), difference.GetProperty("high").GetDouble()));
        Assert.Equal(6, difference.GetProperty("count").GetInt32());
        Assert.Equal(["all", "3,4"], json.GetProperty("differences").EnumerateArray().Select(entry => entry.GetProperty("levels").GetString()));
    }

    [Fact]
    public void A_model_without_template_can_be_asked_in_plain_text_only()
    {
        CliRun.Refused(["eval", files.Plain, .. Small], "chat template", "plain");
        Assert.Contains("plain", CliRun.Good(["eval", files.Plain, .. Small, "--thinking", "plain"]).Output);
        CliRun.Refused(["eval", files.Plain, "--count", "0", "--thinking", "plain"], "--count 0");
        CliRun.Refused(["eval", files.Plain, "--thinking", "maybe"], "--thinking maybe");
        CliRun.Refused(["eval", files.Plain, "--thinking", "plain", "--hard-levels", "x"], "--hard-levels");
    }

    private static JsonElement Mode(JsonElement result, string mode) =>
        result.GetProperty("modes").EnumerateArray().Single(entry => entry.GetProperty("mode").GetString() == mode);

    private static List<JsonElement> Rows(string folder, string file) =>
        [.. File.ReadLines(Path.Combine(folder, file)).Select(line => JsonDocument.Parse(line).RootElement)];

    private string WithTemplate(string name)
    {
        string folder = files.At(name);
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(files.Plain))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        File.Copy(
            Path.Combine(SharedData.RepositoryRoot, "recipes", "chat", "chat_template.jinja"), Path.Combine(folder, "chat_template.jinja"));
        return folder;
    }
}
