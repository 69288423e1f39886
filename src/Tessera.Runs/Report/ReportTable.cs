using System.Globalization;
using System.Xml.Linq;

namespace Tessera.Runs.Report;

/// <summary>A table of a report. A column whose cells are all numbers, units behind them allowed, is aligned to the right.</summary>
/// <param name="headers">Names of the columns.</param>
public sealed class ReportTable(params string[] headers)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Appends a row; numbers are printed in the invariant culture, null as an empty cell.</summary>
    /// <exception cref="ArgumentException">There is not one cell for every header.</exception>
    public ReportTable Add(params object?[] cells)
    {
        if (cells.Length != headers.Length)
        {
            throw new ArgumentException($"A row has {cells.Length} cells, expected {headers.Length}.", nameof(cells));
        }

        _rows.Add([.. cells.Select(Text)]);
        return this;
    }

    /// <summary>The table as HTML.</summary>
    internal XElement ToHtml()
    {
        bool[] numeric = [.. Enumerable.Range(0, headers.Length).Select(IsNumeric)];
        return new XElement(
            "table",
            new XElement("thead", Row("th", headers, numeric)),
            new XElement("tbody", string.Empty, _rows.Select(row => Row("td", row, numeric))));
    }

    private static XElement Row(string element, string[] cells, bool[] numeric) => new(
        "tr",
        cells.Select((cell, column) => new XElement(
            element, element == "th" ? new XAttribute("scope", "col") : null, numeric[column] ? new XAttribute("class", "number") : null,
            Svg.Clean(cell))));

    private static string Text(object? cell) => cell switch
    {
        null => string.Empty,
        double value => value.ToString(Math.Abs(value) is >= 1000 and < 1e15 ? "N0" : "G5", CultureInfo.InvariantCulture),
        float value => Text((double)value),
        int or long => string.Create(CultureInfo.InvariantCulture, $"{cell:N0}"),
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        _ => cell.ToString() ?? string.Empty,
    };

    private bool IsNumeric(int column)
    {
        string[] filled = [.. _rows.Select(row => row[column]).Where(cell => cell.Length > 0 && cell is not ("-" or "–"))];
        return filled.Length > 0 && filled.All(StartsAsNumber);
    }

    private static bool StartsAsNumber(string cell)
    {
        string bare = cell.TrimStart('+', '-', '−', '±', '<', '>', '≤', '≥', '~', ' ');
        return cell is "NaN" or "Infinity" or "-Infinity" || (bare.Length > 0 && (char.IsAsciiDigit(bare[0]) || bare[0] == '.'));
    }
}
