namespace Tessera.Puzzle.Fusion;

/// <summary>Fusion of whole blocks, attention included: which windows of neighbouring layers run side by side.</summary>
public sealed record BlockWindowSettings
{
    /// <summary>Layers of a window; the paper takes 4.</summary>
    public int Length { get; init; } = 4;

    /// <summary>Most windows that are fused, best first.</summary>
    public int Windows { get; init; } = 1;
}
