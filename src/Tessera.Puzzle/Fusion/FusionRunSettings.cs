namespace Tessera.Puzzle.Fusion;

/// <summary>Which layers are fused.</summary>
public sealed record FusionRunSettings
{
    /// <summary>Runs chosen by hand, in order; null to find them.</summary>
    public IReadOnlyList<FusionRun>? Runs { get; init; }

    /// <summary>Largest dependency between any two layers of a run; null for no limit. Runs found only.</summary>
    public double? Threshold { get; init; }

    /// <summary>Largest width of a fused feed-forward, such as fits one device; null for no limit. Runs found only.</summary>
    public int? MaxWidth { get; init; }

    /// <summary>Whole blocks side by side instead of feed-forwards alone; null for feed-forwards.</summary>
    public BlockWindowSettings? Blocks { get; init; }

    /// <summary>Whether the last feed-forward of a run is fused too; it is the most sensitive and left alone by default.</summary>
    public bool FusesLast { get; init; }
}
