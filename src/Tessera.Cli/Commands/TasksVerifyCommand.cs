using System.CommandLine;
using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Evaluation;
using Tessera.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tasks verify</c>: verdicts on completions that any software wrote.</summary>
internal static class TasksVerifyCommand
{
    public static Command Create()
    {
        var input = new Argument<string>("file") { Description = "JSON lines with task, level, question, answer and completion, as tasks score --samples writes them." };
        var json = SharedOptions.Json();
        var command = new Command("verify", "Verify the final answers of given completions.") { input, json };
        command.SetAction(result =>
        {
            string path = result.GetValue(input)!;
            var verdicts = new List<bool>();
            var byTask = new SortedDictionary<string, (int Correct, int Count)>(StringComparer.Ordinal);
            foreach (var line in LineReader.Read(path))
            {
                var (problem, completion) = Parse(line, $"{path}: line {verdicts.Count + 1}");
                string? answer = AnswerExtractor.Extract(completion);
                verdicts.Add(answer is not null && TaskCatalog.Get(problem.Task).Verify(problem, answer));
                string key = $"{problem.Task} {problem.Level}";
                var (correct, count) = byTask.GetValueOrDefault(key);
                byTask[key] = (correct + (verdicts[^1] ? 1 : 0), count + 1);
            }

            if (verdicts.Count == 0)
            {
                throw new InvalidDataException($"{path}: there is no row in it");
            }

            Report(path, new AccuracyResult(verdicts.Count(right => right), verdicts.Count, byTask), verdicts, result.GetValue(json));
        });
        return command;
    }

    private static (Problem Problem, string Completion) Parse(ReadOnlyMemory<byte> line, string where)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var row = document.RootElement;
            if (row.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException($"{where} is not a JSON object");
            }

            string task = Text(row, "task", where);
            if (!TaskCatalog.All.Any(known => known.Name == task))
            {
                throw new InvalidDataException($"{where}: task is '{task}', expected one of {string.Join(", ", TaskCatalog.All.Select(known => known.Name))}");
            }

            int level = row.TryGetProperty("level", out var number) && number.ValueKind == JsonValueKind.Number && number.TryGetInt32(out int value) && value > 0
                ? value
                : throw new InvalidDataException($"{where}: level is not a positive integer");
            return (new Problem(task, level, Text(row, "question", where), string.Empty, Text(row, "answer", where)), Text(row, "completion", where));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{where} is not JSON of valid Unicode");
        }
    }

    private static string Text(JsonElement row, string field, string where) =>
        row.TryGetProperty(field, out var text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw new InvalidDataException($"{where} has no string field {field}");

    private static void Report(string path, AccuracyResult result, List<bool> verdicts, bool asJson)
    {
        if (asJson)
        {
            JsonOutput.Print(new
            {
                file = path,
                count = result.Count,
                correct = result.Correct,
                accuracy = result.Accuracy,
                standard_error = result.StandardError,
                by_task = AccuracyTable.ToJson(result),
                verdicts,
            });
        }
        else
        {
            AccuracyTable.Print(result);
        }
    }
}
