using System.Globalization;
using System.Text;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>A sweep as comma-separated values: one row a step and load, numbers in full, empty where there is no solution.</summary>
public static class SweepCsv
{
    private const string Header =
        "target,value,scenario,batch,status,score,lower_bound,gap,memory_bytes,kv_bytes,parameters,prefill_seconds,decode_seconds,"
        + "run_seconds,throughput,total_throughput,greedy_score,uniform_score,blocks";

    /// <summary>The rows below a header.</summary>
    public static string Text(IReadOnlyList<SweepPoint> sweep)
    {
        var text = new StringBuilder(Header).Append('\n');
        foreach (var point in sweep)
        {
            for (int load = 0; load < point.Loads.Count; load++)
            {
                text.AppendJoin(',', Cells(point, load)).Append('\n');
            }
        }

        return text.ToString();
    }

    private static IEnumerable<string> Cells(SweepPoint point, int load)
    {
        var result = point.Best?.Certificate;
        Amounts? amounts = point.Best?.Amounts[load];
        var at = point.Loads[load];
        return
        [
            Quoted(point.Step.Text), Number(point.Step.Value), Quoted(at.Scenario), Number(at.Batch),
            result is null ? "infeasible" : Lower($"{result.Status}"),
            Number(point.Best?.Score), Number(result?.LowerBound), Number(result?.Gap), Number(amounts?.MemoryBytes), Number(amounts?.KvBytes),
            Number(amounts?.Parameters), Number(at.HasPhases ? amounts?.PrefillSeconds : null), Number(at.HasPhases ? amounts?.DecodeSeconds : null),
            Number(amounts?.RunSeconds), Number(at.GeneratedTokens / amounts?.RunSeconds), Number(at.AllTokens / amounts?.RunSeconds),
            Number(point.ScoreOf("greedy")), Number(point.ScoreOf("uniform")),
            Quoted(point.Best is null ? string.Empty : string.Join(';', point.Best.Variants.Select(variant => variant.Label))),
        ];
    }

    private static string Lower(string text) => text.ToLowerInvariant();

    private static string Number(double? value) => value is { } number && double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : string.Empty;

    private static string Quoted(string text) => text.AsSpan().ContainsAny("\",\n\r") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
