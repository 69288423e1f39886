using Tessera.Puzzle.Compression;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>Rounds of scoring again around the child: what each promised and what it came to.</summary>
internal static class RescoringSection
{
    /// <summary>Adds the section, or nothing where nothing was scored again.</summary>
    public static void Add(HtmlReport report, RescoringOutcome? outcome)
    {
        if (outcome is null)
        {
            return;
        }

        string score = outcome.First.Kind;
        report.Section("Scored again around the child").Paragraph(
            "Every alternative of every layer is swapped into the child instead of the parent, and the search is repeated with what that says; the best "
            + $"assembled model stays. Score: {score}, smaller is better. The first choice was predicted at {Digits(outcome.First.Predicted)} and "
            + $"came to {WithError(outcome.FirstChoice.Realised.Divergence)} in KL.");
        if (outcome.Rounds.Count == 0)
        {
            report.Paragraph("Additivity held, so there was no round.");
            return;
        }

        var rows = new ReportTable("round", "proposal", "layers changed", $"{score} promised", "KL realised ± s.e.", "kept");
        foreach (var round in outcome.Rounds)
        {
            foreach (var candidate in round.Candidates)
            {
                rows.Add(
                    round.Round, candidate.Name, candidate.Changed, Digits(candidate.Predicted), WithError(candidate.Child.Realised.Divergence),
                    candidate.Child.Choice.AsSpan().SequenceEqual(round.Best.Choice) ? "yes" : string.Empty);
            }
        }

        report.Table(rows);
    }
}
