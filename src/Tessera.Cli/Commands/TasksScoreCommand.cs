using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Evaluation;
using Tessera.Inference;
using Tessera.Runs;
using Tessera.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tasks score</c>: how many unseen problems a model solves.</summary>
internal static class TasksScoreCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = ModelSource.Description };
        var count = new Option<int>("--count") { Description = "How many problems.", DefaultValueFactory = _ => 400 };
        var tasks = new Option<string?>("--tasks") { Description = "Comma-separated tasks; all by default." };
        var levels = new Option<string?>("--levels") { Description = "Comma-separated levels; all by default." };
        var samples = new Option<string?>("--samples") { Description = "File for every problem, completion and verdict as JSON lines." };
        var seed = SharedOptions.Seed();
        var type = SharedOptions.StorageType();
        var (device, threads, json) = (SharedOptions.Device(), SharedOptions.Threads(), SharedOptions.Json());
        var command = new Command("score", "Solve problems of the evaluation split greedily and verify the answers.")
        {
            model, count, tasks, levels, samples, seed, type, device, threads, json,
        };
        command.SetAction(result =>
        {
            int wanted = OptionChecks.AtLeast(result, count, 1);
            int workers = OptionChecks.Threads(result, threads);
            var problems = TasksCommand.Source(ProblemSplit.Evaluation, result.GetValue(seed), result.GetValue(tasks), result.GetValue(levels))
                .Stream().Take(wanted).ToList();
            var source = ModelSource.Open(result.GetValue(model)!);
            var storage = SharedOptions.ParseDataType(result.GetValue(type)!);
            var tokenizer = source.RequireTokenizer("tasks score");
            using var opened = SharedOptions.OpenServing(result.GetValue(device)!, workers, storage);
            using var decoder = source.Load(storage, opened);
            using var generator = new Generator(opened, decoder, EngineSettings.Throughput with { CacheType = SharedOptions.CacheType(storage) });
            using var log = result.GetValue(samples) is { } path ? new StreamWriter(path) : null;
            using var progress = new ProgressReporter(Console.Error, new ProgressOptions { Label = "tasks", Unit = "problems", Total = wanted });
            var accuracy = TaskAccuracy.Measure(
                generator, tokenizer, source.BeginIds(tokenizer), source.StopIds(), problems,
                sample =>
                {
                    log?.WriteLine(Row(sample));
                    progress.Advance();
                });
            progress.Dispose();
            Report(source.Name, accuracy, result.GetValue(seed), result.GetValue(json));
        });
        return command;
    }

    private static string Row(ScoredSample sample) => JsonOutput.Line(new
    {
        task = sample.Problem.Task,
        level = sample.Problem.Level,
        question = sample.Problem.Question,
        answer = sample.Problem.Answer,
        completion = sample.Completion,
        found = sample.Answer,
        correct = sample.IsCorrect,
    });

    private static void Report(string model, AccuracyResult result, ulong seed, bool asJson)
    {
        if (asJson)
        {
            JsonOutput.Print(new
            {
                model,
                split = "evaluation",
                seed,
                count = result.Count,
                correct = result.Correct,
                accuracy = result.Accuracy,
                standard_error = result.StandardError,
                by_task = AccuracyTable.ToJson(result),
            });
        }
        else
        {
            AccuracyTable.Print(result);
        }
    }
}
