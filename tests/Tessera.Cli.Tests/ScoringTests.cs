using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Models.Configuration;
using Tessera.Tasks;

namespace Tessera.Cli.Tests;

/// <summary>Other scores, races and rounds around the child on the command line.</summary>
public sealed class ScoringTests(TinyModel files)
{
    [Fact]
    public void A_compression_by_lost_answers_with_races_and_a_round_leaves_numbers_and_tables_that_search_takes()
    {
        string costs = files.At("scored-costs.json"), run = files.At("scored");
        string[] scenario = ["--threads", "1", "--batch", "2", "--input-length", "8", "--output-length", "4"];
        CliRun.Good(["measure", files.Plain, "--predict", "this", .. scenario, "--out", costs]);
        string[] arguments =
        [
            "compress", files.Plain, .. scenario, "--costs", costs, "--target", "parameters<=85%", "--tasks", "all", "--calibration-tokens", "128", "--scoring-tokens", "128",
            "--batch-tokens", "128", "--max-length", "96", "--block-steps", "0", "--heal-steps", "0", "--heal-batch-tokens", "128", "--problems", "0", "--rounds", "1",
        ];
        string[] scored = [.. arguments, "--score", "task:compare", "--race", "3", "--score-precision", "50%", "--rescore", "1", "--out", run, "--json"];
        var done = CliRun.Good(scored);
        Assert.Contains("scoring again, round 1: task:compare of the child", done.Error, StringComparison.Ordinal);
        var result = done.Json();
        Assert.Equal("kl", result.GetProperty("additivity").GetProperty("kind").GetString());
        Assert.Equal("task:compare", result.GetProperty("rescoring").GetProperty("rounds")[0].GetProperty("kind").GetString());

        // Started again it says the same, and does nothing.
        Assert.Equal(done.Output, CliRun.Good(scored).Output);

        string tables = Path.Combine(run, "tables.json");
        var own = CliRun.Good("search", tables, "--json").Json();
        var other = CliRun.Good("search", tables, "--score", "hidden", "--json").Json();
        Assert.Equal(("task:compare", "hidden"), (own.GetProperty("score_kind").GetString(), other.GetProperty("score_kind").GetString()));
        Assert.NotEqual(Score(own), Score(other));
        CliRun.Refused(["search", tables, "--score", "task:add"], "has no score of the kind task:add, expected kl or lm-loss or hidden or task:compare");
        foreach (var (option, value, sentence) in ((string, string, string)[])
        [
            ("--score", "accuracy", "expected kl, lm-loss, hidden or task:NAME"), ("--score", "task:poetry", "poetry"),
            ("--rescore", "always", "expected off, auto, or a number of rounds up to 20"), ("--race", "-1", "--race -1"),
            ("--score-precision", "2000%", "expected a share"),
        ])
        {
            CliRun.Refused([.. arguments, option, value, "--out", files.At("not-scored")], sentence);
        }

        Assert.False(Directory.Exists(files.At("not-scored")));
    }

    [Fact]
    public void Rounds_and_answers_are_planned()
    {
        string[] plan = ["plan", "compress", "random:llama-3.2-1b", "--on", "a100", "--json"];
        string[] Names(params string[] more) => [.. CliRun.Good([.. plan, .. more]).Json().GetProperty("stages")[0].GetProperty("parts").EnumerateArray().Select(part => part.GetProperty("name").GetString()!)];
        Assert.Equal(["task-scores", "rescore 1", "rescore 2"], Names("--rescore", "2", "--score", "task:add").Except(Names()));
    }

    [Fact]
    public void The_weights_of_answers_are_on_the_answer_and_what_ends_it()
    {
        var tokenizer = files.Tokenizer;
        var model = ConfigurationReader.Read(Path.Combine(files.Plain, "config.json"));
        var problems = new ProblemSource(ProblemSplit.Training, 5);
        var documents = new AnswerDocuments(tokenizer, problems, model);
        for (int index = 0; index < 50; index++)
        {
            var document = documents.Get(index);
            int[] weighted = [.. document.Ids.Zip(document.Weights).Where(pair => pair.Second > 0).Select(pair => pair.First)];
            Assert.Equal(files.End, weighted[^1]);
            string text = tokenizer.Decode(weighted.AsSpan(0, weighted.Length - 1), skipSpecialTokens: false);
            // A token may begin with the blank in front of the answer.
            Assert.Equal(problems.Create(index).Answer + "\n", text.TrimStart(' '));
            Assert.Equal(
                problems.Create(index).ToText(), tokenizer.Decode(document.Ids.AsSpan(1, document.Ids.Length - 2), skipSpecialTokens: false));
        }
    }

    private static double Score(JsonElement document) => document.GetProperty("solutions")[0].GetProperty("score").GetDouble();
}
