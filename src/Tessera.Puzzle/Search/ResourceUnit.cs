namespace Tessera.Puzzle.Search;

/// <summary>What a resource's figures count.</summary>
public enum ResourceUnit
{
    /// <summary>A plain number.</summary>
    Count,

    /// <summary>Bytes.</summary>
    Bytes,

    /// <summary>Model parameters.</summary>
    Parameters,

    /// <summary>Seconds.</summary>
    Seconds,
}
