using System.Globalization;
using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>A table of numbers as coloured cells with their values, and the colour scale above it.</summary>
public sealed class HeatMap : IFigure
{
    private const double RowHeight = 24;
    private const double NarrowRowHeight = 16;
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

    /// <summary>Equal ratios get equal steps of colour; values that are not positive get the palest.</summary>
    public bool Logarithmic { get; init; }

    /// <summary>Values of the palest and the darkest colour, so that several maps have one scale; null for the least and the largest here.</summary>
    public (double Low, double High)? Range { get; init; }

    /// <summary>Whether values are written into the cells; otherwise rows are low, and a cell tells its value when it is pointed at.</summary>
    public bool ShowsValues { get; init; } = true;

    /// <summary>What stands in a cell and what it tells when it is pointed at, by row and column; null for the value.</summary>
    public Func<int, int, HeatCell?>? Cells { get; init; }

    private double Height => ShowsValues ? RowHeight : NarrowRowHeight;

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">The values do not have a row and a column for every name.</exception>
    public XElement ToSvg()
    {
        if (Values.GetLength(0) != Rows.Count || Values.GetLength(1) != Columns.Count)
        {
            throw new InvalidOperationException(
                $"Heat map '{Title}' has {Rows.Count} × {Columns.Count} names but {Values.GetLength(0)} × {Values.GetLength(1)} values.");
        }

        double[] shown = [.. Values.Cast<double>().Where(value => double.IsFinite(value) && (!Logarithmic || value > 0))];
        (double Low, double High) range = Range ?? (shown.DefaultIfEmpty(Logarithmic ? 1 : 0).Min(), shown.DefaultIfEmpty(1).Max());
        double left = Math.Min(260, 12 + Rows.Select(name => Svg.TextWidth(name)).DefaultIfEmpty().Max());
        double cell = Columns.Count == 0 ? 0 : Math.Min(110, (Svg.Width - left) / Columns.Count);
        bool tilted = Columns.Any(name => Svg.TextWidth(name, 12) > cell - 4);
        double longest = Columns.Select(name => Svg.TextWidth(name, 12)).DefaultIfEmpty().Max();
        if (tilted)
        {
            // A tilted name reaches beyond its column to the right.
            cell = Math.Min(cell, (Svg.Width - left - (longest * 0.72)) / Math.Max(1, Columns.Count - 1));
        }

        double top = 66 + (tilted ? longest * 0.72 : 8);
        XElement svg = Svg.Root(top + (Rows.Count * Height) + 8, Title);
        AddScale(svg, range.Low, range.High);

        // A name every so many columns where they are too narrow for one each.
        int stride = cell > 0 ? Math.Max(1, (int)Math.Ceiling(11 / cell)) : 1;
        for (int column = 0; column < Columns.Count; column += stride)
        {
            AddColumnName(svg, Columns[column], left + (column * cell), cell, top - 7, tilted);
        }

        var frames = new List<XElement>();
        for (int row = 0; row < Rows.Count; row++)
        {
            double y = top + (row * Height);
            svg.Add(Svg.Text(left - 8, y + (Height / 2) + 4.5, Rows[row], Palette.Ink, "end", ShowsValues ? 12 : 11));
            for (int column = 0; column < Columns.Count; column++)
            {
                AddCell(svg, left + (column * cell), y, cell, row, column, range, frames);
            }
        }

        // Frames last, or the neighbours would cover half of them.
        svg.Add(frames);
        return svg;
    }

    private static void AddColumnName(XElement svg, string name, double x, double cell, double y, bool tilted)
    {
        double middle = x + (cell / 2);
        svg.Add(tilted
            ? Svg.Rotated(Svg.Text(middle, y, name, Palette.Ink, size: 12), -45, middle, y)
            : Svg.Text(middle, y, name, Palette.Ink, "middle", 12));
    }

    private void AddCell(
        XElement svg, double x, double y, double width, int row, int column, (double Low, double High) range, List<XElement> frames)
    {
        double value = Values[row, column];
        HeatCell? given = Cells?.Invoke(row, column);
        bool isKnown = double.IsFinite(value);
        string text = given?.Text ?? (isKnown ? Text(value) : string.Empty);
        string? detail = given?.Detail ?? (isKnown ? text : null);
        double share = isKnown ? ShareOf(value, range) : 0;
        double gap = width > 8 ? 1 : 0.4;
        svg.Add(Svg.Rectangle(
            x + (gap / 2), y + 0.5, width - gap, Height - 1, isKnown ? Palette.Shade(share) : Palette.Empty,
            detail is null ? null : $"{Rows[row]}, {Columns[column]}: {detail}"));
        if (ShowsValues && text.Length > 0 && Svg.TextWidth(text, CellTextSize) <= width - 2)
        {
            svg.Add(Svg.Text(x + (width / 2), y + 16, text, isKnown ? Palette.InkOn(share) : Palette.Faint, "middle", CellTextSize));
        }

        if (given?.IsMarked == true)
        {
            frames.Add(Svg.Frame(x + 1.2, y + 1.2, width - 2.4, Height - 2.4, Palette.Mark));
        }
    }

    private double ShareOf(double value, (double Low, double High) range) => range.High <= range.Low ? 0.5
        : !Logarithmic ? (value - range.Low) / (range.High - range.Low)
        : value <= range.Low ? 0
        : Math.Log(value / range.Low) / Math.Log(range.High / range.Low);

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

    // Ratios over many decades are read by their exponents.
    private string Text(double value) => value.ToString(Logarithmic && value is > 0 and < 1e-4 ? "0.##e0" : Format, CultureInfo.InvariantCulture);
}
