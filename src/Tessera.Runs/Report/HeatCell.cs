namespace Tessera.Runs.Report;

/// <summary>What a cell of a <see cref="HeatMap"/> says.</summary>
/// <param name="Text">Stands in the cell where it fits; null for the value.</param>
/// <param name="Detail">Told when the cell is pointed at; null for the text.</param>
/// <param name="IsMarked">Whether it is framed, as what was chosen.</param>
public sealed record HeatCell(string? Text = null, string? Detail = null, bool IsMarked = false);
