namespace Tessera.Puzzle.Search;

/// <summary>Programs that solve the choice of blocks.</summary>
public enum SearchEngine
{
    /// <summary>Our own branch and bound.</summary>
    Embedded,

    /// <summary>COIN-OR CBC through its C interface, where it is installed.</summary>
    Cbc,
}
