using Tessera.Models.Configuration;
using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Planning;

/// <summary>
/// The shape that stands for a child that is not known yet: its parent's, with all feed-forwards narrowed alike where the targets limit weights.
/// </summary>
/// <remarks>Which blocks are chosen decides how the weights are spread; what training takes is decided by how many there are.</remarks>
public static class LargestChild
{
    private const int Step = 32;

    /// <summary>The shape under the targets of a compression.</summary>
    /// <param name="parent">The parent's shape.</param>
    /// <param name="targets">Those that do not limit weights change nothing.</param>
    public static ModelConfiguration Of(ModelConfiguration parent, IEnumerable<Target> targets)
    {
        double most = targets.Where(target => target.Quantity == TargetQuantity.Parameters)
            .Select(target => target.IsRelative ? target.Value * parent.ParameterCount : target.Value).DefaultIfEmpty(double.PositiveInfinity).Min();
        double rest = Narrowed(parent, 0).ParameterCount, wide = parent.ParameterCount - rest;
        return parent.ParameterCount <= most || wide <= 0 ? parent : Narrowed(parent, Math.Max(0, (most - rest) / wide));
    }

    private static ModelConfiguration Narrowed(ModelConfiguration parent, double share) =>
        parent with { Layers = [.. parent.Layers.Select(layer => Narrowed(layer, share))] };

    private static LayerConfiguration Narrowed(LayerConfiguration layer, double share)
    {
        if (layer.FeedForward is not SwiGluConfiguration swiGlu)
        {
            return layer;
        }

        int width = (int)(swiGlu.Width * share) / Step * Step;
        return width > 0 ? layer with { FeedForward = swiGlu with { Width = width } } : layer with { FeedForward = new NoFeedForwardConfiguration() };
    }
}
