using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Fusion;

/// <summary>Finds neighbouring whole blocks that may run side by side, and checks those that were chosen by hand.</summary>
/// <remarks>
/// Of all windows of so many layers with attention and SwiGLU, greedily the one whose largest dependency M_ij within it is least, the
/// lesser sum of dependencies where two are alike; windows that overlap it are discarded, and so on. Source: FFN Fusion (Bercovich et
/// al. 2025), its extension to whole blocks.
/// </remarks>
internal static class BlockWindows
{
    /// <summary>The windows, in order of layers.</summary>
    /// <param name="model">The layers.</param>
    /// <param name="settings">Length and number of windows, limits.</param>
    /// <param name="windows">Length and number.</param>
    /// <param name="dependency">Dependencies; null lists every window that could be.</param>
    public static IReadOnlyList<FusionRun> Of(
        ModelConfiguration model, FusionRunSettings settings, BlockWindowSettings windows, DependencyMatrix? dependency)
    {
        var candidates = Enumerable.Range(0, Math.Max(0, model.Layers.Length - windows.Length + 1))
            .Select(first => new FusionRun(first, first + windows.Length - 1)).Where(run => Obstacle(model, run) is null && Width(model, run) <= (settings.MaxWidth ?? ConfigurationLimits.FeedForwardWidth))
            .ToList();
        if (dependency is null)
        {
            return candidates;
        }

        var chosen = new List<FusionRun>();
        foreach (var (run, largest) in candidates.Select(run => (Run: run, Largest: Pairs(run).Max(pair => dependency[pair.Removed, pair.Layer])))
            .OrderBy(pair => pair.Largest).ThenBy(pair => Pairs(pair.Run).Sum(inner => dependency[inner.Removed, inner.Layer])).ThenBy(pair => pair.Run.First))
        {
            if (chosen.Count < windows.Windows && !(largest > settings.Threshold) && !chosen.Any(other => run.First <= other.Last && other.First <= run.Last))
            {
                chosen.Add(run);
            }
        }

        return [.. chosen.OrderBy(run => run.First)];
    }

    /// <summary>Why a run of whole blocks cannot be one layer, or null.</summary>
    public static string? Obstacle(ModelConfiguration model, FusionRun run)
    {
        var first = model.Layers[run.First].Mixer as AttentionConfiguration;
        for (int layer = run.First; layer <= run.Last; layer++)
        {
            string? reason = model.Layers[layer] switch
            {
                { Mixer: not AttentionConfiguration } => $"has no attention ({model.Layers[layer].Mixer})",
                { FeedForward: not SwiGluConfiguration } => $"has the feed-forward {model.Layers[layer].FeedForward}, only SwiGLU can be fused",
                { Mixer: AttentionConfiguration { HasHeadNorms: true } } => "has norms of its query and key heads, which one wider attention would share",
                { Mixer: AttentionConfiguration attention } when attention.Window != first?.Window => "has another sliding window than the layers before it",
                _ => null,
            };
            if (reason is not null)
            {
                return $"run {run}: layer {layer} {reason}";
            }
        }

        return null;
    }

    private static long Width(ModelConfiguration model, FusionRun run) =>
        Enumerable.Range(run.First, run.Count).Sum(layer => (long)((SwiGluConfiguration)model.Layers[layer].FeedForward).Width);

    private static IEnumerable<(int Removed, int Layer)> Pairs(FusionRun run) =>
        Enumerable.Range(run.First, run.Count).SelectMany(i => Enumerable.Range(i + 1, run.Last - i).Select(j => (i, j)));
}
