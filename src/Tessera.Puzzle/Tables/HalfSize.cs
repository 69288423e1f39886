namespace Tessera.Puzzle.Tables;

/// <summary>What a half of a layer is and weighs, the same in every load.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Parameters">Weights, its norm included.</param>
/// <param name="WeightBytes">As they are stored where the model serves.</param>
/// <param name="KvBytesPerToken">Cache bytes a token.</param>
public sealed record HalfSize(HalfKind Kind, double Parameters, double WeightBytes, double KvBytesPerToken)
{
    /// <summary>An absent half.</summary>
    public static HalfSize Nothing { get; } = new(HalfKind.None, 0, 0, 0);

    /// <summary>Channels of a feed-forward; null where it is not told.</summary>
    public int? Width { get; init; }

    /// <summary>Whether attention has a sliding window.</summary>
    public bool HasWindow { get; init; }

    /// <summary>Whether attention normalises query and key heads.</summary>
    public bool HasHeadNorms { get; init; }

    /// <summary>Whether some of attention's projections have biases and others not.</summary>
    public bool HasPartialBiases { get; init; }
}
