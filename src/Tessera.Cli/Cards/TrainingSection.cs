using System.Globalization;
using System.Text;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;

namespace Tessera.Cli.Cards;

/// <summary>What of how much data a child has learned from, and how it does by position, on its page.</summary>
internal static class TrainingSection
{
    /// <summary>Adds the section; nothing where nothing is known.</summary>
    public static void AddTo(StringBuilder page, HealingFindings? findings)
    {
        if (findings is null)
        {
            return;
        }

        page.Append("\n## Training\n\n");
        foreach (string line in Lines(findings))
        {
            page.Append(line).Append("\n\n");
        }

        if (findings.Positions is { } positions)
        {
            Positions(page, positions);
        }
    }

    /// <summary>Tokens of the healing and of the continued pre-training, a sentence each.</summary>
    public static IEnumerable<string> Lines(HealingFindings findings)
    {
        if (findings.Phases.Count > 0)
        {
            yield return Invariant($"Healed by distillation from its parent on {findings.Phases.Sum(phase => phase.Tokens):N0} tokens: {string.Join("; ", findings.Phases.Select(phase => Invariant($"{phase.Tokens:N0} in {phase.Steps} steps of documents up to {phase.Length}")))}.");
        }

        if (findings.Pretraining is { } pretraining)
        {
            long dealt = Math.Max(1, pretraining.Sources.Sum(source => source.Tokens));
            string sources = string.Join(", ", pretraining.Sources.Select(source => Invariant($"{source.Name} {100.0 * source.Tokens / dealt:F1} %")));
            yield return Invariant($"Continued pre-training on {pretraining.Tokens:N0} tokens in {pretraining.Steps} steps: {sources}. Cross-entropy on its held-out documents {Number(pretraining.LossBefore)} before and {Number(pretraining.LossAfter)} after, nats a token.");
        }
    }

    private static void Positions(StringBuilder page, PositionTable positions)
    {
        page.Append(Invariant($"Held-out documents of up to {positions.Length} tokens, nats a token:\n\n| positions | tokens | KL(parent ‖ child) | parent's loss | child's loss |\n| --- | --- | --- | --- | --- |\n"));
        foreach (var (range, row) in positions.Named())
        {
            page.Append(Invariant($"| {range} | {row.Tokens:N0} | {Text(row.Divergence)} | {Text(row.ParentLoss)} | {Text(row.ChildLoss)} |\n"));
        }
    }

    private static string Text(Estimate estimate) => Invariant($"{estimate.Mean:G4} ± {estimate.StandardError:G2}");

    private static string Number(double? value) => value?.ToString("0.0000", CultureInfo.InvariantCulture) ?? "not measured";

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
