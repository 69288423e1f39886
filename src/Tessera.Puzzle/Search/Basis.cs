namespace Tessera.Puzzle.Search;

/// <summary>One key column a layer, and one further column or slack a row.</summary>
internal sealed class Basis(int layers, int rows)
{
    public int[] Key { get; } = new int[layers];

    public int[] Extra { get; } = new int[rows];

    /// <summary>How a row's slack is written among the extras.</summary>
    public static int Slack(int row) => -1 - row;

    public void CopyFrom(Basis other)
    {
        other.Key.CopyTo(Key, 0);
        other.Extra.CopyTo(Extra, 0);
    }

    public Basis Copy()
    {
        var copy = new Basis(Key.Length, Extra.Length);
        copy.CopyFrom(this);
        return copy;
    }
}
