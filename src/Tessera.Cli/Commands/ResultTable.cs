using System.Globalization;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;

namespace Tessera.Cli.Commands;

/// <summary>The comparison of parent, child and baselines as text.</summary>
internal static class ResultTable
{
    public static void Write(TextWriter writer, CompressionResult result)
    {
        writer.WriteLine(Line("model", "parameters", "decode tok/s", "speed-up", "prefill tok/s", "KV B/token", "KL (held out)", "accuracy"));
        foreach (var candidate in result.Candidates)
        {
            Row(writer, result, candidate.Name, candidate, candidate.HeldOutDivergence, candidate.Correct, result.Candidates[0]);
        }

        var delivered = result.Delivered;
        if (result.Fusion is not null)
        {
            Row(writer, result, delivered.Name, delivered, delivered.HeldOutDivergence, delivered.Correct, result.DeliveredParent);
        }

        Row(writer, result, CompressionResult.Written, delivered, result.HealedDivergence, result.HealedCorrect, result.DeliveredParent);
        var child = result.Candidates[1];
        writer.WriteLine(FormattableString.Invariant(
            $"scenario: {result.Scenario.Label}; search gap {result.Gap:P3}; decode predicted {child.PredictedDecodeSeconds * 1e6:F1} µs, measured {child.DecodeSeconds * 1e6:F1} µs"));
    }

    private static void Row(
        TextWriter writer, CompressionResult result, string name, CandidateResult candidate, Estimate divergence, int correct,
        CandidateResult parent)
    {
        var scenario = result.Scenario;
        double share = candidate.Problems == 0 ? 0 : (double)correct / candidate.Problems;
        double error = candidate.Problems == 0 ? 0 : Math.Sqrt(share * (1 - share) / candidate.Problems);
        writer.WriteLine(Line(
            name, Text(candidate.Parameters, "N0"), Text(scenario.Batch / candidate.DecodeSeconds, "N0"),
            Text(parent.DecodeSeconds / candidate.DecodeSeconds, "0.00") + "x",
            Text(scenario.Batch * scenario.InputLength / candidate.PrefillSeconds, "N0"), Text(candidate.KvBytesPerToken, "N0"),
            $"{Text(divergence.Mean, "0.0000")} ± {Text(divergence.StandardError, "0.0000")}",
            candidate.Problems == 0 ? "-" : $"{Text(100 * share, "0.0")} ± {Text(100 * error, "0.0")} %"));
    }

    private static string Line(params string[] cells) =>
        $"{cells[0],-14}{cells[1],12}{cells[2],14}{cells[3],10}{cells[4],15}{cells[5],12}{cells[6],20}{cells[7],16}";

    private static string Text(IFormattable value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
