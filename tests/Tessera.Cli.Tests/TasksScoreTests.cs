using System.Text.Json;
using Tessera.Tasks;

namespace Tessera.Cli.Tests;

public sealed class TasksScoreTests(TinyModel files)
{
    [Fact]
    public void Every_problem_is_of_the_evaluation_split_and_kept_with_its_verdict()
    {
        string samples = files.At("samples.jsonl");
        var json = CliRun.Good(
            "tasks", "score", files.Plain, "--count", "5", "--seed", "4", "--tasks", "add,sort", "--levels", "1,2", "--samples", samples,
            "--json").Json();

        var rows = File.ReadLines(samples).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        var source = new ProblemSource(ProblemSplit.Evaluation, 4, [TaskCatalog.Get("add"), TaskCatalog.Get("sort")], [1, 2]);
        Assert.Equal(source.Stream().Take(5).Select(problem => problem.Question), rows.Select(row => row.GetProperty("question").GetString()));
        Assert.Equal(5, json.GetProperty("count").GetInt32());
        Assert.Equal(rows.Count(row => row.GetProperty("correct").GetBoolean()), json.GetProperty("correct").GetInt32());
        Assert.Equal(5, json.GetProperty("by_task").EnumerateArray().Sum(entry => entry.GetProperty("count").GetInt32()));
        Assert.Equal(json.GetProperty("correct").GetInt32(), CliRun.Good("tasks", "verify", samples, "--json").Json().GetProperty("correct").GetInt32());
        double accuracy = json.GetProperty("accuracy").GetDouble();
        Assert.Equal(Math.Sqrt(accuracy * (1 - accuracy) / 5), json.GetProperty("standard_error").GetDouble(), 1e-12);
    }

    [Fact]
    public void The_table_ends_with_all_tasks_together()
    {
        string last = CliRun.Good("tasks", "score", files.Plain, "--count", "2", "--tasks", "add", "--levels", "1").Output.TrimEnd('\n').Split('\n')[^1];

        Assert.Matches("^all +[0-2] +2 +[0-9.]+% +[0-9.]+%$", last);
    }

    [Fact]
    public void Bad_counts_tasks_and_levels_are_refused()
    {
        CliRun.Refused(["tasks", "score", files.Plain, "--count", "0"], "--count 0");
        CliRun.Refused(["tasks", "score", files.Plain, "--tasks", "knitting"], "knitting");
        CliRun.Refused(["tasks", "score", files.Plain, "--levels", "x"], "--levels");
        CliRun.Refused(["tasks", "score", files.At("nowhere")], "nowhere");
    }
}
