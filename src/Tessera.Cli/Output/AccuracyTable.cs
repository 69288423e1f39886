using Tessera.Evaluation;
using Tessera.Runs;

namespace Tessera.Cli.Output;

/// <summary>Accuracy by task and level, and over all.</summary>
internal static class AccuracyTable
{
    public static void Print(AccuracyResult result)
    {
        var table = new TextTable("task", ">level", ">correct", ">of", ">accuracy", ">standard error");
        foreach (var (key, (correct, count)) in result.ByTask)
        {
            var (task, level) = Split(key);
            Add(table, task, level, correct, count);
        }

        Add(table, "all", string.Empty, result.Correct, result.Count);
        table.Print();
    }

    public static IEnumerable<object> ToJson(AccuracyResult result) => result.ByTask.Select(entry => new
    {
        task = Split(entry.Key).Task,
        level = int.Parse(Split(entry.Key).Level),
        correct = entry.Value.Correct,
        count = entry.Value.Count,
        accuracy = (double)entry.Value.Correct / entry.Value.Count,
    });

    private static (string Task, string Level) Split(string key)
    {
        int space = key.LastIndexOf(' ');
        return (key[..space], key[(space + 1)..]);
    }

    private static void Add(TextTable table, string task, string level, int correct, int count)
    {
        double share = (double)correct / count;
        double error = Math.Sqrt(share * (1 - share) / count);
        table.Add(task, level, $"{correct}", $"{count}", HumanUnits.FormatShare(share), HumanUnits.FormatShare(error));
    }
}
