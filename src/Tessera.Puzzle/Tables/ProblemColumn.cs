using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Tables;

/// <summary>What a resource of a search that came from tables counts.</summary>
/// <param name="Quantity">The quantity; <see cref="TargetQuantity.Latency"/> for the seconds of a whole load.</param>
/// <param name="Load">Index of the load it belongs to; −1 where it does not depend on one.</param>
/// <param name="Selector">What is counted, where the quantity is <see cref="TargetQuantity.Variants"/>.</param>
public sealed record ProblemColumn(TargetQuantity Quantity, int Load, VariantSelector? Selector = null)
{
    /// <summary>The column that a limit on a quantity falls on: throughputs and latency are all the seconds of the load.</summary>
    internal static TargetQuantity Limiting(TargetQuantity quantity) => quantity switch
    {
        TargetQuantity.Throughput or TargetQuantity.TotalThroughput => TargetQuantity.Latency,
        _ => quantity,
    };

    /// <summary>Whether a quantity is of the model alone.</summary>
    internal static bool IsOfModel(TargetQuantity quantity) => quantity is TargetQuantity.Parameters or TargetQuantity.Layers
        or TargetQuantity.AttentionLayers or TargetQuantity.FeedForwardLayers or TargetQuantity.Variants;
}
