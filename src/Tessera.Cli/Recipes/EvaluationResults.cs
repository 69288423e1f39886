using System.Text.Json;
using Tessera.Cli.Output;
using Tessera.Runs;

namespace Tessera.Cli.Recipes;

/// <summary>A paired difference that an evaluation found.</summary>
/// <param name="Left">Model and mode that is compared.</param>
/// <param name="Right">Model and mode it is compared with.</param>
/// <param name="Levels">Which levels.</param>
/// <param name="Difference">Left − right.</param>
/// <param name="Problems">Problems that both were asked.</param>
internal sealed record EvaluationDifference(string Left, string Right, string Levels, ShareInterval Difference, long Problems);

/// <summary>What the evaluations of a recipe measured: the rows that its report asks for, and all paired differences.</summary>
internal sealed class EvaluationResults
{
    private const string FileName = "result.json";

    public required IReadOnlyList<EvaluationRow> Rows { get; init; }

    public required IReadOnlyList<EvaluationDifference> Differences { get; init; }

    /// <summary>Reads the results of the stages that the rows name.</summary>
    /// <exception cref="InvalidDataException">A result is missing or malformed; one sentence.</exception>
    public static EvaluationResults Read(RecipePlan plan)
    {
        var rows = new EvaluationRow[plan.Rows.Count];
        var differences = new List<EvaluationDifference>();
        foreach (var stage in plan.Stages.Where(stage => plan.Rows.Any(row => row.Stage == stage.Name)))
        {
            string path = Path.Combine(plan.FolderOf(stage), FileName);
            try
            {
                using var document = JsonDocument.Parse(File.ReadAllBytes(path));
                for (int i = 0; i < rows.Length; i++)
                {
                    rows[i] = plan.Rows[i].Stage == stage.Name ? EvaluationRow.Find(path, document.RootElement, plan.Rows[i]) : rows[i];
                }

                differences.AddRange(ReadDifferences(document.RootElement));
            }
            catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException
                or FileNotFoundException or DirectoryNotFoundException)
            {
                throw new InvalidDataException($"{path}: not the result of an evaluation: {error.Message}", error);
            }
        }

        return new EvaluationResults { Rows = rows, Differences = differences };
    }

    /// <summary>Prints the rows as text.</summary>
    public void Print()
    {
        var table = new TextTable(
            "model", "thinking", ">problems", ">accuracy", ">95 % interval", $">levels {HardLevels}", ">95 % interval", ">obeyed", ">at least", ">tokens");
        foreach (var row in Rows)
        {
            table.Add(
                row.Label, row.Mode, $"{row.Problems}", Share(row.Accuracy.Value), Interval(row.Accuracy),
                row.Hard is { } hard ? Share(hard.Value) : "-", row.Hard is { } ends ? Interval(ends) : "-",
                row.IsSwitched ? Share(row.Obeyed.Value) : "-", row.IsSwitched ? Share(row.Obeyed.Low) : "-", FormattableString.Invariant($"{row.Tokens:F1}"));
        }

        table.Print();
    }

    /// <summary>The hard levels, where all rows agree on them.</summary>
    public string HardLevels => Rows.Select(row => row.HardLevels).Distinct().ToList() is [var one] ? one : "hard";

    internal static string Share(double value) => HumanUnits.FormatShare(value);

    internal static string Interval(ShareInterval share) => $"{Share(share.Low)}..{Share(share.High)}";

    private static IEnumerable<EvaluationDifference> ReadDifferences(JsonElement result) =>
        !result.TryGetProperty("differences", out var all) ? [] : all.EnumerateArray().Select(pair =>
        {
            var estimate = pair.GetProperty("difference");
            return new EvaluationDifference(
                pair.GetProperty("left").GetString()!, pair.GetProperty("right").GetString()!, pair.GetProperty("levels").GetString()!,
                new ShareInterval(
                    estimate.GetProperty("value").GetDouble(), estimate.GetProperty("low").GetDouble(), estimate.GetProperty("high").GetDouble()),
                estimate.GetProperty("count").GetInt64());
        });
}
