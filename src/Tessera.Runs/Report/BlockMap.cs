using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>
/// The map of chosen blocks: one row a layer, and for its attention and its feed-forward part what the parent had, what the
/// child has, and a bar whose length and colour are the share that is kept.
/// </summary>
public sealed class BlockMap : IFigure
{
    private const double RowHeight = 21;
    private const double Top = 80;
    private const double LayerRight = 58;
    private const double ParentWidth = 96;
    private const double ColumnWidth = (Svg.Width - LayerRight - 14) / 2;
    private const double TextSize = 12;

    /// <inheritdoc />
    public required string Title { get; init; }

    /// <summary>The layers from the first.</summary>
    public required IReadOnlyList<BlockMapRow> Layers { get; init; }

    /// <inheritdoc />
    public XElement ToSvg()
    {
        XElement svg = Svg.Root(Top + (Layers.Count * RowHeight) + 8, Title);
        svg.Add(Svg.Text(LayerRight - 8, Top - 8, "layer", Palette.Faint, "end", TextSize));
        AddHeading(svg, LayerRight, "Attention");
        AddHeading(svg, LayerRight + ColumnWidth + 14, "Feed-forward");
        for (int row = 0; row < Layers.Count; row++)
        {
            double y = Top + (row * RowHeight);
            svg.Add(Svg.Text(LayerRight - 8, y + 15, Layers[row].Layer, Palette.Ink, "end", TextSize));
            AddCell(svg, Layers[row].Attention, LayerRight, y, $"Layer {Layers[row].Layer}, attention");
            AddCell(svg, Layers[row].FeedForward, LayerRight + ColumnWidth + 14, y, $"Layer {Layers[row].Layer}, feed-forward");
        }

        return svg;
    }

    private static void AddHeading(XElement svg, double x, string name)
    {
        svg.Add(Svg.Text(x, Top - 26, name, Palette.Ink, weight: "600"));
        svg.Add(Svg.Text(x + ParentWidth - 8, Top - 8, "parent", Palette.Faint, "end", TextSize));
        svg.Add(Svg.Text(x + ParentWidth + 6, Top - 8, "child", Palette.Faint, size: TextSize));
        svg.Add(Svg.Text(x + ColumnWidth, Top - 8, "kept", Palette.Faint, "end", TextSize));
    }

    private static void AddCell(XElement svg, BlockCell cell, double x, double y, string place)
    {
        double kept = double.IsFinite(cell.Kept) ? Math.Clamp(cell.Kept, 0, 1) : 0;
        string share = HumanUnits.FormatShare(kept);
        double left = x + ParentWidth;
        double width = ColumnWidth - ParentWidth - 52;
        svg.Add(Svg.Text(left - 8, y + 15, cell.Parent, Palette.Faint, "end", TextSize));
        svg.Add(Svg.Rectangle(left, y + 1, width, RowHeight - 2, Palette.Empty, $"{place}: {cell.Parent} to {cell.Child}, {share} kept"));

        // Half transparent: the child's name stands partly on the bar and partly beside it, in one ink, on a pale page or a dark one.
        XElement bar = Svg.Rectangle(left, y + 1, width * kept, RowHeight - 2, Palette.Series(0));
        bar.Add(new XAttribute("fill-opacity", Svg.Number(0.18 + (0.3 * kept))));
        svg.Add(bar);
        svg.Add(Svg.Text(left + 6, y + 15, cell.Child, Palette.Ink, size: TextSize));
        svg.Add(Svg.Text(x + ColumnWidth, y + 15, share, Palette.Ink, "end", TextSize));
    }
}
