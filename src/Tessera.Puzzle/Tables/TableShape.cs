namespace Tessera.Puzzle.Tables;

/// <summary>What of the parent's shape decides which forms can hold a child.</summary>
/// <param name="HiddenSize">Width of the residual stream.</param>
/// <param name="HeadCount">Query heads.</param>
/// <param name="HeadDim">Elements of a head.</param>
public sealed record TableShape(int HiddenSize, int HeadCount, int HeadDim)
{
    /// <summary>Whether the heads together are as wide as the residual stream.</summary>
    public bool HeadsFillHidden => (long)HeadCount * HeadDim == HiddenSize;
}
