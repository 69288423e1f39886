namespace Tessera.Cli.Output;

/// <summary>Rows of text under headings, numbers to the right.</summary>
/// <param name="headings">One a column; those that begin with <c>&gt;</c> are aligned to the right.</param>
internal sealed class TextTable(params string[] headings)
{
    private readonly List<string[]> _rows = [[.. headings.Select(heading => heading.TrimStart('>'))]];

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Print()
    {
        int[] widths = [.. headings.Select((_, column) => _rows.Max(row => row[column].Length))];
        foreach (string[] row in _rows)
        {
            Console.WriteLine(string.Join("  ", row.Select((cell, column) => Pad(cell, column, widths[column]))).TrimEnd());
        }
    }

    private string Pad(string cell, int column, int width) =>
        headings[column].StartsWith('>') ? cell.PadLeft(width) : cell.PadRight(width);
}
