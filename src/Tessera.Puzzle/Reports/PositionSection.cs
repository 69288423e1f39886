using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Report;

namespace Tessera.Puzzle.Reports;

/// <summary>Parent and written child by the position of the token.</summary>
internal static class PositionSection
{
    /// <summary>Adds the section, or nothing where no length was tested.</summary>
    public static void Add(HtmlReport report, PositionTable? positions)
    {
        if (positions is null)
        {
            return;
        }

        report.Section("By position").Paragraph(
            $"Parent and written child on held-out documents of up to {positions.Length} tokens, by the position of what is predicted from; nats a token.");
        var rows = new ReportTable("positions", "tokens", "documents", "KL ± s.e.", "parent's loss", "child's loss");
        foreach (var (range, row) in positions.Named())
        {
            rows.Add(
                range, (long)row.Tokens, row.Divergence.Documents, FusionReport.Text(row.Divergence), FusionReport.Text(row.ParentLoss), FusionReport.Text(row.ChildLoss));
        }

        report.Table(rows);
    }
}
