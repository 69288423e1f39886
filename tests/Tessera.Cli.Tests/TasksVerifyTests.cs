using System.Text.Json;
using Tessera.Tasks;

namespace Tessera.Cli.Tests;

public sealed class TasksVerifyTests(TinyModel files)
{
    [Fact]
    public void Right_answers_count_and_wrong_or_missing_ones_do_not()
    {
        var problems = new ProblemSource(ProblemSplit.Evaluation, 9).Stream().Take(30).ToList();
        string path = files.Write("rows.jsonl", string.Concat(problems.Select((problem, i) => JsonSerializer.Serialize(new
        {
            task = problem.Task,
            level = problem.Level,
            question = problem.Question,
            answer = problem.Answer,
            completion = (i % 3) switch { 0 => problem.Completion, 1 => "#### 123456789123\n", _ => problem.Reasoning },
        }) + "\n")));

        var json = CliRun.Good("tasks", "verify", path, "--json").Json();

        Assert.Equal(Enumerable.Range(0, 30).Select(i => i % 3 == 0), json.GetProperty("verdicts").EnumerateArray().Select(verdict => verdict.GetBoolean()));
        Assert.Equal(10, json.GetProperty("correct").GetInt32());
        Assert.Contains("33.3%", CliRun.Good("tasks", "verify", path).Output.TrimEnd('\n').Split('\n')[^1]);
    }

    [Theory]
    [InlineData("", "no row")]
    [InlineData("[]", "line 1")]
    [InlineData("""{"task":"add","level":1,"question":"1+1","answer":"2"}""", "line 1 has no string field completion")]
    [InlineData("""{"task":"knit","level":1,"question":"1+1","answer":"2","completion":""}""", "task is 'knit'")]
    [InlineData("""{"task":"add","level":0,"question":"1+1","answer":"2","completion":""}""", "level")]
    [InlineData("{", "line 1 is not JSON")]
    public void A_bad_row_is_named(string content, string part)
    {
        string path = files.Write("bad-rows.jsonl", content);

        CliRun.Refused(["tasks", "verify", path], path, part);
    }
}
