using Tessera.Evaluation.Problems;
using Tessera.Runs;

namespace Tessera.Cli.Output;

/// <summary>The result of an evaluation as text.</summary>
internal static class EvaluationTable
{
    public static void Print(EvaluationResult result)
    {
        var summary = new TextTable(
            "model", "thinking", ">problems", ">avg@k", ">95 % interval", ">pass@k", ">maj@k", ">obeyed", ">at least", ">truncated", ">tokens");
        foreach (var mode in result.Modes)
        {
            var (most, pass) = mode.Pass.Last();
            summary.Add(
                mode.Model, Name(mode.Mode), $"{mode.Problems}", $"{Share(mode.Average.Value)} (k={mode.Samples})", Interval(mode.Average),
                $"{Share(pass.Value)} (k={most})", Share(mode.Majority.Value), Share(mode.Obeyed.Value), Share(mode.Obeyed.Low),
                Share(mode.Truncated.Value), FormattableString.Invariant($"{mode.MeanTokens:F1}"));
        }

        summary.Print();
        Console.WriteLine();
        PrintLevels(result);
        if (result.Differences.Count == 0)
        {
            return;
        }

        Console.WriteLine();
        var pairs = new TextTable("paired comparison", "levels", ">difference", ">95 % interval", ">problems");
        foreach (var pair in result.Differences)
        {
            pairs.Add(
                $"{pair.Left} - {pair.Right}", pair.Levels, Points(pair.Difference.Value),
                $"{Points(pair.Difference.Low)} to {Points(pair.Difference.High)}", $"{pair.Difference.Count}");
        }

        pairs.Print();
    }

    private static void PrintLevels(EvaluationResult result)
    {
        var keys = result.Modes.SelectMany(mode => mode.ByLevel.Keys).Distinct().Order(StringComparer.Ordinal).ToList();
        var table = new TextTable([
            "accuracy by task and level", .. result.Modes.Select(mode => $">{mode.Model} {Name(mode.Mode)}"),
        ]);
        foreach (string key in keys)
        {
            table.Add([key, .. result.Modes.Select(mode => mode.ByLevel.TryGetValue(key, out var value) ? Share(value.Value) : "-")]);
        }

        table.Print();
    }

    private static string Name(PromptMode mode) => mode.ToString().ToLowerInvariant();

    private static string Share(double value) => HumanUnits.FormatShare(value);

    private static string Interval(Estimate estimate) => $"{Share(estimate.Low)}..{Share(estimate.High)}";

    private static string Points(double value) => FormattableString.Invariant($"{100 * value:+0.0;-0.0;0.0} points");
}
