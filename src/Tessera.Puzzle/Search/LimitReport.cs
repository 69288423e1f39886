namespace Tessera.Puzzle.Search;

/// <summary>How one limit stands in a problem whose limits may not be met.</summary>
public sealed record LimitReport
{
    /// <summary>The limited resource.</summary>
    public required Resource Resource { get; init; }

    /// <summary>Whether this is the resource's maximum; else its minimum.</summary>
    public required bool IsMaximum { get; init; }

    /// <summary>The limit.</summary>
    public double Limit => IsMaximum ? Resource.Maximum : Resource.Minimum;

    /// <summary>The least (for a maximum) or the most (for a minimum) that any selection reaches, other limits aside.</summary>
    public required double ReachableAlone { get; init; }

    /// <summary>Whether some selection meets this limit, other limits aside.</summary>
    public required bool CanBeMetAlone { get; init; }

    /// <summary>Whether it belongs to the smallest set of limits found that cannot be met together.</summary>
    public required bool IsInConflict { get; init; }

    /// <summary>The value nearest to this limit that can be met while all other limits stay; null where none was found.</summary>
    public required double? Nearest { get; init; }

    /// <summary>Whether <see cref="Nearest"/> (or that there is none) is proven.</summary>
    public required bool IsNearestProven { get; init; }
}
