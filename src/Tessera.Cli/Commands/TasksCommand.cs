using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tasks</c>: generated problems and how well a model solves them.</summary>
internal static class TasksCommand
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create() => new("tasks", "Generated problems with verifiable answers.")
    {
        ListCommand(), ShowCommand(), TasksScoreCommand.Create(), TasksVerifyCommand.Create(),
    };

    /// <summary>Problems of the named tasks and levels, as the options of several verbs give them.</summary>
    public static ProblemSource Source(ProblemSplit split, ulong seed, string? tasks, string? levels)
    {
        var chosen = tasks is null or "all" ? null : tasks.Split(',').Select(TaskCatalog.Get).ToArray();
        int[]? numbers = levels?.Split(',').Select(text => int.TryParse(text, out int level) && level > 0
            ? level
            : throw new ArgumentException($"--levels: '{text}' is not a level")).ToArray();
        return new ProblemSource(split, seed, chosen, numbers);
    }

    private static Command ListCommand()
    {
        var command = new Command("list", "Names and levels of all tasks.");
        command.SetAction(_ =>
        {
            foreach (var task in TaskCatalog.All)
            {
                Console.WriteLine($"{task.Name,-10} levels 1-{task.Levels}");
            }
        });
        return command;
    }

    private static Command ShowCommand()
    {
        var count = new Option<int>("--count") { Description = "How many problems.", DefaultValueFactory = _ => 10 };
        var split = new Option<string>("--split") { Description = "training or evaluation; no question is in both.", DefaultValueFactory = _ => "training" };
        split.AcceptOnlyFromAmong("training", "evaluation");
        var tasks = new Option<string?>("--tasks") { Description = "Comma-separated tasks; all by default." };
        var levels = new Option<string?>("--levels") { Description = "Comma-separated levels; all by default." };
        var seed = SharedOptions.Seed();
        var json = SharedOptions.Json();
        var command = new Command("show", "Print problems: question, reasoning, answer.") { count, split, tasks, levels, seed, json };
        command.SetAction(result =>
        {
            var side = result.GetValue(split) == "training" ? ProblemSplit.Training : ProblemSplit.Evaluation;
            var source = Source(side, result.GetValue(seed), result.GetValue(tasks), result.GetValue(levels));
            foreach (var problem in source.Stream().Take(result.GetValue(count)))
            {
                Console.WriteLine(result.GetValue(json) ? ToJson(problem) : problem.ToText());
            }
        });
        return command;
    }

    private static string ToJson(Problem problem) => JsonSerializer.Serialize(
        new
        {
            task = problem.Task,
            level = problem.Level,
            prompt = problem.Prompt,
            reasoning = problem.Reasoning,
            answer = problem.Answer,
            text = problem.ToText(),
        },
        Relaxed);
}
