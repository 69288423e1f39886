using System.Globalization;
using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>A table of numbers as coloured cells with their values, and the colour scale above it.</summary>
public sealed class HeatMap : IFigure
{
    private const double RowHeight = 24;
    private const double ScaleWidth = 160;
    private const double CellTextSize = 11.5;

    /// <inheritdoc />
    public required string Title { get; init; }

    /// <summary>What the colours mean, with the unit.</summary>
    public required string ValueLabel { get; init; }

    /// <summary>Names of the rows.</summary>
    public required IReadOnlyList<string> Rows { get; init; }

    /// <summary>Names of the columns.</summary>
    public required IReadOnlyList<string> Columns { get; init; }

    /// <summary>Values [rows, columns]; one that is not finite is drawn as an empty cell.</summary>
    public required double[,] Values { get; init; }

    /// <summary>Numeric format of the cells, in .NET's notation.</summary>
    public string Format { get; init; } = "0.##";

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">The values do not have a row and a column for every name.</exception>
    public XElement ToSvg()
    {
        if (Values.GetLength(0) != Rows.Count || Values.GetLength(1) != Columns.Count)
        {
            throw new InvalidOperationException(
                $"Heat map '{Title}' has {Rows.Count} × {Columns.Count} names but {Values.GetLength(0)} × {Values.GetLength(1)} values.");
        }

        double[] finite = [.. Values.Cast<double>().Where(double.IsFinite)];
        double low = finite.DefaultIfEmpty(0).Min(), high = finite.DefaultIfEmpty(1).Max();
        double left = Math.Min(260, 12 + Rows.Select(name => Svg.TextWidth(name)).DefaultIfEmpty().Max());
        double cell = Columns.Count == 0 ? 0 : Math.Min(110, (Svg.Width - left) / Columns.Count);
        bool tilted = Columns.Any(name => Svg.TextWidth(name, 12) > cell - 4);
        double longest = Columns.Select(name => Svg.TextWidth(name, 12)).DefaultIfEmpty().Max();
        double top = 66 + (tilted ? longest * 0.72 : 8);
        XElement svg = Svg.Root(top + (Rows.Count * RowHeight) + 8, Title);
        AddScale(svg, low, high);
        for (int column = 0; column < Columns.Count; column++)
        {
            AddColumnName(svg, Columns[column], left + (column * cell), cell, top - 7, tilted);
        }

        for (int row = 0; row < Rows.Count; row++)
        {
            double y = top + (row * RowHeight);
            svg.Add(Svg.Text(left - 8, y + 16.5, Rows[row], Palette.Ink, "end", 12));
            for (int column = 0; column < Columns.Count; column++)
            {
                AddCell(svg, left + (column * cell), y, cell, row, column, (low, high));
            }
        }

        return svg;
    }

    private static void AddColumnName(XElement svg, string name, double x, double cell, double y, bool tilted)
    {
        double middle = x + (cell / 2);
        svg.Add(tilted
            ? Svg.Rotated(Svg.Text(middle, y, name, Palette.Ink, size: 12), -45, middle, y)
            : Svg.Text(middle, y, name, Palette.Ink, "middle", 12));
    }

    private void AddCell(XElement svg, double x, double y, double width, int row, int column, (double Low, double High) range)
    {
        double value = Values[row, column];
        if (!double.IsFinite(value))
        {
            svg.Add(Svg.Rectangle(x + 0.5, y + 0.5, width - 1, RowHeight - 1, Palette.Empty));
            return;
        }

        double share = range.High > range.Low ? (value - range.Low) / (range.High - range.Low) : 0.5;
        string text = Text(value);
        svg.Add(Svg.Rectangle(
            x + 0.5, y + 0.5, width - 1, RowHeight - 1, Palette.Shade(share), $"{Rows[row]}, {Columns[column]}: {text}"));
        if (Svg.TextWidth(text, CellTextSize) <= width - 2)
        {
            svg.Add(Svg.Text(x + (width / 2), y + 16, text, Palette.InkOn(share), "middle", CellTextSize));
        }
    }

    private void AddScale(XElement svg, double low, double high)
    {
        const int Steps = 32;
        svg.Add(Svg.Text(0, 44, ValueLabel, Palette.Faint, size: 12));
        double x = Svg.TextWidth(ValueLabel, 12) + 16;
        string lowText = Text(low);
        svg.Add(Svg.Text(x, 44, lowText, Palette.Ink, size: 12));
        x += Svg.TextWidth(lowText, 12) + 6;
        for (int i = 0; i < Steps; i++)
        {
            // A little wider than its share, so that no gap shows between neighbours.
            svg.Add(Svg.Rectangle(x + (i * ScaleWidth / Steps), 34, (ScaleWidth / Steps) + 0.5, 12, Palette.Shade((i + 0.5) / Steps)));
        }

        svg.Add(Svg.Text(x + ScaleWidth + 6, 44, Text(high), Palette.Ink, size: 12));
    }

    private string Text(double value) => value.ToString(Format, CultureInfo.InvariantCulture);
}
