using System.Globalization;
using Tessera.Puzzle.Tables;
using Tessera.Runs.Report;
using static Tessera.Puzzle.Reports.ReportNumbers;

namespace Tessera.Puzzle.Reports;

/// <summary>The map of parent and child.</summary>
internal static class BlockSection
{
    public static void Add(HtmlReport report, CompressionRun run)
    {
        var rows = new List<BlockMapRow>();
        var numbers = new ReportTable("layer", "parent's attention", "child's attention", "kept", "parent's feed-forward", "child's feed-forward", "kept");
        for (int layer = 0; layer < run.Child.Layers.Count; layer++)
        {
            string[] parent = run.Parent.Layers[layer].Split(' '), child = run.Child.Layers[layer].Split(' ');
            string name = layer.ToString(CultureInfo.InvariantCulture);
            var row = new BlockMapRow(
                name, Cell(parent[0], child[0], run.Tables?.Mixers), Cell(parent[^1], child[^1], run.Tables?.FeedForwards));
            rows.Add(row);
            numbers.Add(name, parent[0], child[0], Share(row.Attention), parent[^1], child[^1], Share(row.FeedForward));
        }

        report.Section("Chosen blocks").Figure(
            new BlockMap { Title = "Parent and child, layer by layer", Layers = rows },
            "Length of a bar: the share of the parent's weights that the child keeps in this half of the layer, before fusion and healing. kv4: attention "
            + "with 4 key-value heads; ffn512: a feed-forward of 512 channels; linear: one matrix; none: the residual stream passes by.",
            $"{PuzzlePaper}: the search space, and the pictures of the chosen architecture.", numbers);
    }

    private static string Share(BlockCell cell) => Number(100 * cell.Kept, "0.0") + " %";

    /// <summary>Without sizes what has the parent's label is kept, and nothing is said of the rest.</summary>
    private static BlockCell Cell(string parent, string child, IReadOnlyDictionary<string, HalfSize>? sizes)
    {
        double kept = sizes is null || !sizes.TryGetValue(parent, out var whole) || !sizes.TryGetValue(child, out var part)
            ? (parent == child ? 1 : double.NaN)
            : whole.Parameters > 0 ? Math.Min(1, part.Parameters / whole.Parameters) : 0;
        return new BlockCell(parent, child, kept);
    }
}
