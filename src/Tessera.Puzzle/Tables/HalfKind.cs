namespace Tessera.Puzzle.Tables;

/// <summary>What a half of a layer is.</summary>
public enum HalfKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>One linear map.</summary>
    Linear,

    /// <summary>Attention.</summary>
    Attention,

    /// <summary>A gated feed-forward.</summary>
    FeedForward,
}
